// A systolic array with its sequencer: two streams of operands in, one stream of results per column out.
//
// Output-stationary: a beat of x is a column of A (one element per row of the fold) and a beat of y a row of B, K beats
// of each per fold, taken together. Weight-stationary: x is a row of A (one element per row of the array), M beats per
// fold; y is a row of B, as many beats as the fold uses rows, the lowest row first. A beat is taken at an edge at which
// its valid and its ready are high. Hold `reset` for ROWS + COLS + 4 edges at the start.
module systolic #(
    parameter WEIGHT_STATIONARY = 0,
    parameter ROWS = 4,
    parameter COLS = 4,
    parameter FLOAT = 0,
    parameter OPERAND_BITS = 8,
    parameter SUM_BITS = 32,
    parameter PRODUCT_STAGES = 0
) (
    input wire clock,
    input wire reset,
    input wire [1:0] overlap, // 0 none, 1 buffered, 2 pipelined
    input wire x_valid,
    input wire x_last, // of the fold
    input wire [ROWS-1:0] x_rows, // that the fold uses
    input wire [ROWS*OPERAND_BITS-1:0] x,
    output wire x_ready,
    input wire y_valid,
    input wire y_last,
    input wire [COLS-1:0] y_columns, // that the fold uses
    input wire [COLS*OPERAND_BITS-1:0] y,
    output wire y_ready,
    output wire [COLS-1:0] result_valid,
    output wire [COLS*SUM_BITS-1:0] result
);
    wire ended, done, drained, x_first;

    sequencer #(.WEIGHT_STATIONARY(WEIGHT_STATIONARY)) control (
        .clock(clock),
        .reset(reset),
        .overlap(overlap),
        .ended(ended),
        .done(done),
        .drained(drained),
        .x_valid(x_valid),
        .x_last(x_last),
        .x_ready(x_ready),
        .x_first(x_first),
        .y_valid(y_valid),
        .y_last(y_last),
        .y_ready(y_ready)
    );

    array #(
        .WEIGHT_STATIONARY(WEIGHT_STATIONARY),
        .ROWS(ROWS),
        .COLS(COLS),
        .FLOAT(FLOAT),
        .OPERAND_BITS(OPERAND_BITS),
        .SUM_BITS(SUM_BITS),
        .PRODUCT_STAGES(PRODUCT_STAGES)
    ) grid (
        .clock(clock),
        .reset(reset),
        .x_fire(x_valid & x_ready),
        .x_first(x_first),
        .x_last(x_last),
        .x_rows(x_rows),
        .x(x),
        .y_fire(y_valid & y_ready),
        .y_last(y_last),
        .y_columns(y_columns),
        .y(y),
        .ended(ended),
        .done(done),
        .drained(drained),
        .result_valid(result_valid),
        .result(result)
    );
endmodule

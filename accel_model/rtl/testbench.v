// Plays runs of beats from files into `systolic` and writes what comes out and when. It holds no size and no formula.
//
// x.hex, y.hex: beats as words {last, mask, data}. runs.hex: a word per run {overlap (8 bits), x beats (32), y beats
// (32)}. out.txt: per run a line `run N`, a line `COLUMN VALUE` per result as it is written to the bottom row, and a
// line `cycles N`: clock edges from the one that takes the first beat to the one that writes the last result, both
// included. With GAPS = 1 the sources pause at random. A run ends when nothing has happened for QUIET edges.
module testbench;
    parameter WEIGHT_STATIONARY = 0;
    parameter ROWS = 4;
    parameter COLS = 4;
    parameter OPERAND_BITS = 8;
    parameter SUM_BITS = 32;
    parameter PRODUCT_STAGES = 0;
    parameter X_BEATS = 1;
    parameter Y_BEATS = 1;
    parameter RUNS = 1;
    parameter GAPS = 0;
    localparam QUIET = 4 * (ROWS + COLS) + 16;
    localparam X_BITS = 1 + ROWS + ROWS * OPERAND_BITS;
    localparam Y_BITS = 1 + COLS + COLS * OPERAND_BITS;

    reg [X_BITS-1:0] x_beats[0:X_BEATS-1];
    reg [Y_BITS-1:0] y_beats[0:Y_BEATS-1];
    reg [71:0] runs[0:RUNS-1];

    reg clock = 0, reset = 1, x_pause = 0, y_pause = 0;
    reg [1:0] overlap = 0;
    integer x_next = 0, x_end = 0, y_next = 0, y_end = 0;
    integer run, column, out, edges, first_edge, last_edge, quiet;

    wire x_valid = x_next < x_end & ~x_pause, y_valid = y_next < y_end & ~y_pause;
    wire x_ready, y_ready, x_last, y_last;
    wire [ROWS-1:0] x_rows;
    wire [COLS-1:0] y_columns;
    wire [ROWS*OPERAND_BITS-1:0] x;
    wire [COLS*OPERAND_BITS-1:0] y;
    wire [COLS-1:0] result_valid;
    wire [COLS*SUM_BITS-1:0] result;
    assign {x_last, x_rows, x} = x_beats[x_next];
    assign {y_last, y_columns, y} = y_beats[y_next];

    systolic #(
        .WEIGHT_STATIONARY(WEIGHT_STATIONARY),
        .ROWS(ROWS),
        .COLS(COLS),
        .OPERAND_BITS(OPERAND_BITS),
        .SUM_BITS(SUM_BITS),
        .PRODUCT_STAGES(PRODUCT_STAGES)
    ) dut (
        .clock(clock),
        .reset(reset),
        .overlap(overlap),
        .x_valid(x_valid),
        .x_last(x_last),
        .x_rows(x_rows),
        .x(x),
        .x_ready(x_ready),
        .y_valid(y_valid),
        .y_last(y_last),
        .y_columns(y_columns),
        .y(y),
        .y_ready(y_ready),
        .result_valid(result_valid),
        .result(result)
    );

    always #1 clock = ~clock;

    always @(posedge clock) begin
        edges <= edges + 1;
        quiet <= quiet + 1;
        if (x_valid & x_ready) x_next <= x_next + 1;
        if (y_valid & y_ready) y_next <= y_next + 1;
        if ((x_valid & x_ready) | (y_valid & y_ready)) begin
            if (first_edge < 0) first_edge <= edges;
            quiet <= 0;
        end
        if (|result_valid) begin
            last_edge <= edges - 1; // what is seen before this edge was written at the one before
            quiet <= 0;
            for (column = 0; column < COLS; column = column + 1)
                if (result_valid[column])
                    $fwrite(out, "%0d %0d\n", column, $signed(result[column*SUM_BITS+:SUM_BITS]));
        end
        if (GAPS) {x_pause, y_pause} <= $random;
    end

    initial begin
        $readmemh("x.hex", x_beats);
        $readmemh("y.hex", y_beats);
        $readmemh("runs.hex", runs);
        out = $fopen("out.txt", "w");
        repeat (ROWS + COLS + 4) @(negedge clock);
        reset = 0;
        for (run = 0; run < RUNS; run = run + 1) begin
            overlap = runs[run][65:64];
            x_end = x_end + runs[run][63:32];
            y_end = y_end + runs[run][31:0];
            {edges, quiet, first_edge, last_edge} = {32'd0, 32'd0, -32'd1, -32'd1};
            $fwrite(out, "run %0d\n", run);
            while (quiet < QUIET) @(negedge clock);
            if (x_next != x_end | y_next != y_end) $fwrite(out, "stuck %0d %0d\n", x_end - x_next, y_end - y_next);
            $fwrite(out, "cycles %0d\n", last_edge - first_edge + 1);
        end
        $fclose(out);
        $finish(0);
    end
endmodule

// One processing element: a multiplier, a sum, one register hop to the right and one down.
//
// Operands come with tags that travel with them. From the left: `x` is there (x_valid), is the first or the last of
// its fold, and this is the last row that the fold uses (x_edge). From above: `y` is there, in a column that the fold
// uses (y_valid), and this is the last such column (y_edge).
//
// Output-stationary (WEIGHT_STATIONARY = 0): x and y meet, the sum stays. One edge after the last product it moves to
// `out`, which frees the sum for the next fold. It is held there until the last row that the fold uses has come as
// far (`release_column`), then it moves down a row per cycle. `sum` and `out` are the ping-pong pair.
//
// Weight-stationary (1): y is a weight on its way to its row. A column moves its weights down at each edge at which one
// enters it (`shift`); `load` tells that this one is the last, and all are in their rows. The first x of a fold takes
// `shadow` into use, which frees it for the next fold's weights; `shadow` and `weight` are the ping-pong pair. `out`,
// the sum of the rows above plus this product, moves down each cycle.
//
// FLOAT = 1 computes in bfloat16 (OPERAND_BITS = 16) and float32 (SUM_BITS = 32); see arithmetic.v.
// PRODUCT_STAGES = 1 puts a register behind the multiplier, for clock speed, and 2 one before it too: what follows comes
// as many cycles later.
module pe #(
    parameter WEIGHT_STATIONARY = 0,
    parameter TOP = 0, // this is row 0, where column sums begin (ws) and whose result is a fold's last (os)
    parameter FLOAT = 0,
    parameter OPERAND_BITS = 8,
    parameter SUM_BITS = 32,
    parameter PRODUCT_STAGES = 0
) (
    input wire clock,
    input wire reset,
    input wire signed [OPERAND_BITS-1:0] x,
    input wire x_valid,
    input wire x_first,
    input wire x_last,
    input wire x_edge,
    output reg signed [OPERAND_BITS-1:0] x_right,
    output reg x_valid_right,
    output reg x_first_right,
    output reg x_last_right,
    output reg x_edge_right,
    input wire signed [OPERAND_BITS-1:0] y,
    input wire y_valid,
    input wire y_edge,
    output reg signed [OPERAND_BITS-1:0] y_down,
    output reg y_valid_down,
    output reg y_edge_down,
    input wire shift, // os: at each edge
    input wire load, // ws
    input wire release_column, // os
    output wire releases, // os: the result of the fold's last row comes to `out` at the next edge
    output wire done, // os: the last product of the whole fold is in its sum
    input wire signed [SUM_BITS-1:0] above, // the `out` of the row above
    input wire above_moves,
    input wire above_end,
    output reg signed [SUM_BITS-1:0] out,
    output wire moves, // `out` holds a result, which the next edge moves down
    output reg out_end // that result is the last of its fold
);
    always @(posedge clock) begin
        x_right <= x;
        x_valid_right <= x_valid;
        x_first_right <= x_first;
        x_last_right <= x_last;
        x_edge_right <= x_edge;
        if (shift) begin
            y_down <= y;
            y_valid_down <= y_valid & ~load; // a loaded weight goes no further
            y_edge_down <= y_edge;
        end
    end

    wire signed [OPERAND_BITS-1:0] factor, left, right;
    wire meets, meets_edge; // x has a partner; in the last column that the fold uses
    wire signed [2*OPERAND_BITS-1:0] product_now;
    wire signed [SUM_BITS-1:0] product, total;
    wire [4:0] tags_now = {meets, x_first, x_last, x_edge, meets_edge};
    wire valid, first, last, row_edge, column_edge; // tags of the product

    multiply #(.FLOAT(FLOAT), .OPERAND_BITS(OPERAND_BITS)) multiplier (.a(left), .b(right), .product(product_now));

    generate
        if (PRODUCT_STAGES < 2) begin : taken
            assign {left, right} = {x, factor};
        end else begin : held
            reg signed [OPERAND_BITS-1:0] left_q, right_q;
            always @(posedge clock) {left_q, right_q} <= {x, factor};
            assign {left, right} = {left_q, right_q};
        end

        if (PRODUCT_STAGES == 0) begin : direct
            assign product = product_now;
        end else begin : staged
            reg signed [2*OPERAND_BITS-1:0] product_q;
            always @(posedge clock) product_q <= product_now;
            assign product = product_q;
        end

        delay #(.WIDTH(5), .CYCLES(PRODUCT_STAGES)) tags (
            .clock(clock),
            .in(tags_now),
            .out({valid, first, last, row_edge, column_edge})
        );

        if (WEIGHT_STATIONARY == 0) begin : os
            reg signed [SUM_BITS-1:0] sum;
            reg full, full_row_edge, full_column_edge; // the sum is a result; of the fold's last row, last column
            reg out_valid, out_free;

            add #(.FLOAT(FLOAT), .BITS(SUM_BITS)) adder (.a(sum), .b(product), .sum(total));
            assign factor = y;
            assign meets = x_valid & y_valid;
            assign meets_edge = y_edge;
            assign moves = out_valid & (out_free | release_column);
            assign releases = full & full_row_edge;
            assign done = full & full_row_edge & full_column_edge;

            always @(posedge clock) begin
                if (valid) sum <= first ? product : total;
                full <= valid & last;
                full_row_edge <= row_edge;
                full_column_edge <= column_edge;
                out_valid <= ~reset & (full | above_moves | (out_valid & ~moves));
                if (full) begin
                    out <= sum;
                    out_free <= full_row_edge;
                    out_end <= (TOP != 0) & full_column_edge;
                end else if (above_moves) begin
                    out <= above;
                    out_free <= 1'b1;
                    out_end <= above_end;
                end
            end
        end else begin : ws
            reg signed [OPERAND_BITS-1:0] weight, shadow;
            reg [1:0] column, shadow_column; // read in row 0 only: the fold uses this column, as its last one
            reg out_valid;

            add #(.FLOAT(FLOAT), .BITS(SUM_BITS)) adder (.a(above), .b(product), .sum(total));
            assign factor = x_first ? shadow : weight;
            assign {meets, meets_edge} = {2{x_valid}} & (TOP == 0 ? 2'b10 : x_first ? shadow_column : column);
            assign moves = out_valid;
            assign releases = 1'b0;
            assign done = 1'b0;

            always @(posedge clock) begin
                if (load) shadow_column <= {y_valid, y_edge};
                if (load & y_valid) shadow <= y;
                if (x_valid & x_first) begin
                    weight <= shadow;
                    column <= shadow_column;
                end
                if (TOP != 0) begin
                    out <= product;
                    out_valid <= valid;
                    out_end <= last & column_edge;
                end else begin
                    out <= valid ? total : above;
                    out_valid <= above_moves;
                    out_end <= above_end;
                end
            end
        end
    endgenerate
endmodule

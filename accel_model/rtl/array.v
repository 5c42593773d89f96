// ROWS x COLS processing elements, the registers that skew their operands, and the three events they report.
//
// One beat of x feeds all rows, one beat of y all columns; row i gets its part i cycles later, column j its part j
// cycles later. A fold uses the first rows and columns, as the masks x_rows and y_columns tell; they stay the same over
// the beats of a fold. Results leave the bottom row column by column; of one fold and column, the lowest row first
// (output-stationary), or in the order of x (weight-stationary, whose weights come lowest row first).
module array #(
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
    input wire x_fire, // a beat of x is on the port at this edge
    input wire x_first,
    input wire x_last,
    input wire [ROWS-1:0] x_rows,
    input wire [ROWS*OPERAND_BITS-1:0] x,
    input wire y_fire,
    input wire y_last,
    input wire [COLS-1:0] y_columns,
    input wire [COLS*OPERAND_BITS-1:0] y,
    output reg ended, // the last row that a fold uses has met its last x
    output wire done, // os: the last product of a fold is in its sum
    output wire drained, // the last result of a fold is in the bottom row
    output wire [COLS-1:0] result_valid,
    output wire [COLS*SUM_BITS-1:0] result
);
    localparam X_BITS = OPERAND_BITS + 4;
    localparam Y_BITS = OPERAND_BITS + 2;

    // Hops between PEs: entry [i][j] enters PE (i, j); column COLS and row ROWS leave the array.
    wire [X_BITS-1:0] x_hop[0:ROWS*(COLS+1)-1];
    wire [Y_BITS-1:0] y_hop[0:(ROWS+1)*COLS-1];
    wire [SUM_BITS+1:0] out_hop[0:(ROWS+1)*COLS-1];
    wire [ROWS*COLS-1:0] releases, dones;
    wire [ROWS-1:0] ending;
    wire [COLS-1:0] shift, load, ends;
    reg [COLS-1:0] release_column; // os: the result of the fold's last row has come to its `out`

    genvar i, j;
    generate
        for (i = 0; i < ROWS; i = i + 1) begin : row
            wire edge_row;
            if (i == ROWS - 1) assign edge_row = x_rows[i];
            else assign edge_row = x_rows[i] & ~x_rows[i+1];

            delay #(.WIDTH(X_BITS), .CYCLES(i)) skew (
                .clock(clock),
                .in({x_fire & x_rows[i], x_first, x_last, edge_row, x[i*OPERAND_BITS+:OPERAND_BITS]}),
                .out(x_hop[i*(COLS+1)])
            );
            // valid, last and edge of the beat that enters column 0
            assign ending[i] = x_hop[i*(COLS+1)][X_BITS-1] & x_hop[i*(COLS+1)][X_BITS-3] & x_hop[i*(COLS+1)][X_BITS-4];
        end

        for (j = 0; j < COLS; j = j + 1) begin : column
            wire edge_column;
            if (j == COLS - 1) assign edge_column = y_columns[j];
            else assign edge_column = y_columns[j] & ~y_columns[j+1];

            wire fire, last;
            delay #(.WIDTH(Y_BITS + 2), .CYCLES(j)) skew (
                .clock(clock),
                .in({y_fire, y_fire & y_last, y_fire & y_columns[j], edge_column, y[j*OPERAND_BITS+:OPERAND_BITS]}),
                .out({fire, last, y_hop[j]})
            );
            assign shift[j] = fire | (WEIGHT_STATIONARY == 0);
            assign load[j] = last & (WEIGHT_STATIONARY != 0);

            wire [ROWS-1:0] releases_here;
            for (i = 0; i < ROWS; i = i + 1) begin : pick
                assign releases_here[i] = releases[i*COLS+j];
            end
            always @(posedge clock) release_column[j] <= |releases_here;

            assign out_hop[j] = {(SUM_BITS + 2) {1'b0}};
            assign {result_valid[j], ends[j], result[j*SUM_BITS+:SUM_BITS]} = out_hop[ROWS*COLS+j];
        end

        for (i = 0; i < ROWS; i = i + 1) begin : pe_row
            for (j = 0; j < COLS; j = j + 1) begin : pe_column
                localparam X = i * (COLS + 1) + j;
                localparam Y = i * COLS + j;
                wire [OPERAND_BITS-1:0] x_right, y_down;
                wire x_valid_right, x_first_right, x_last_right, x_edge_right, y_valid_down, y_edge_down;
                wire [SUM_BITS-1:0] out;
                wire moves, out_end;

                pe #(
                    .WEIGHT_STATIONARY(WEIGHT_STATIONARY),
                    .TOP(i == 0),
                    .FLOAT(FLOAT),
                    .OPERAND_BITS(OPERAND_BITS),
                    .SUM_BITS(SUM_BITS),
                    .PRODUCT_STAGES(PRODUCT_STAGES)
                ) element (
                    .clock(clock),
                    .reset(reset),
                    .x(x_hop[X][OPERAND_BITS-1:0]),
                    .x_valid(x_hop[X][X_BITS-1]),
                    .x_first(x_hop[X][X_BITS-2]),
                    .x_last(x_hop[X][X_BITS-3]),
                    .x_edge(x_hop[X][X_BITS-4]),
                    .x_right(x_right),
                    .x_valid_right(x_valid_right),
                    .x_first_right(x_first_right),
                    .x_last_right(x_last_right),
                    .x_edge_right(x_edge_right),
                    .y(y_hop[Y][OPERAND_BITS-1:0]),
                    .y_valid(y_hop[Y][Y_BITS-1]),
                    .y_edge(y_hop[Y][Y_BITS-2]),
                    .y_down(y_down),
                    .y_valid_down(y_valid_down),
                    .y_edge_down(y_edge_down),
                    .shift(shift[j]),
                    .load(load[j]),
                    .release_column(release_column[j]),
                    .releases(releases[Y]),
                    .done(dones[Y]),
                    .above(out_hop[Y][SUM_BITS-1:0]),
                    .above_moves(out_hop[Y][SUM_BITS+1]),
                    .above_end(out_hop[Y][SUM_BITS]),
                    .out(out),
                    .moves(moves),
                    .out_end(out_end)
                );
                assign x_hop[X+1] = {x_valid_right, x_first_right, x_last_right, x_edge_right, x_right};
                assign y_hop[Y+COLS] = {y_valid_down, y_edge_down, y_down};
                assign out_hop[Y+COLS] = {moves, out_end, out};
            end
        end
    endgenerate

    always @(posedge clock) ended <= |ending;
    assign done = |dones;
    assign drained = |(result_valid & ends);
endmodule


// A wire for CYCLES = 0, else so many registers in a row.
module delay #(
    parameter WIDTH = 1,
    parameter CYCLES = 0
) (
    input wire clock,
    input wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
    generate
        if (CYCLES == 0) begin : none
            assign out = in;
        end else begin : some
            reg [WIDTH*CYCLES-1:0] line;
            always @(posedge clock) line <= {line, in};
            assign out = line[WIDTH*CYCLES-1-:WIDTH];
        end
    endgenerate
endmodule

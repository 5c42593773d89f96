// Plays commands from a file into `shell`, one an edge, and writes what is read and how long it was at work.
//
// host.hex: a word per edge {wait (1 bit), command (3), data (32)}; a word that waits is given once the shell is idle.
// out.txt: a line `read HEX` per result on the port, and per start a line `cycles N BUSY`: clock edges from the one that
// takes the first beat to the one that writes the last result to the bottom row, both included, and edges of busy.
module shell_testbench;
    parameter WEIGHT_STATIONARY = 0;
    parameter ROWS = 4;
    parameter COLS = 4;
    parameter FLOAT = 0;
    parameter OPERAND_BITS = 8;
    parameter WORDS = 1;
    parameter LIMIT = 1000000; // edges
    localparam QUIET = 4 * (ROWS + COLS) + 16;

    reg [35:0] host[0:WORDS-1];
    reg clock = 0, reset = 1, was_busy = 0;
    integer next = 0, edges = 0, quiet = 0, first_edge = -1, last_edge = -1, busy_edges = 0, out;
    wire waits = host[next][35] & (busy | quiet < QUIET);
    wire [2:0] command = reset | waits | next == WORDS ? 3'd0 : host[next][34:32];
    wire [31:0] data = host[next][31:0];
    wire busy, read_valid;
    wire [31:0] read_data;

    shell #(
        .WEIGHT_STATIONARY(WEIGHT_STATIONARY),
        .ROWS(ROWS),
        .COLS(COLS),
        .FLOAT(FLOAT),
        .OPERAND_BITS(OPERAND_BITS)
    ) dut (
        .clock(clock),
        .reset(reset),
        .command(command),
        .data(data),
        .busy(busy),
        .read_valid(read_valid),
        .read_data(read_data)
    );

    always #1 clock = ~clock;

    always @(posedge clock) begin
        edges <= edges + 1;
        quiet <= quiet + 1;
        was_busy <= busy;
        if (~reset & ~waits & next < WORDS) next <= next + 1;
        if (command != 0 | busy | read_valid) quiet <= 0;
        if (busy) busy_edges <= busy_edges + 1;
        if ((dut.x_valid & dut.x_ready | dut.y_valid & dut.y_ready) & first_edge < 0) first_edge <= edges;
        if (|dut.leaves) last_edge <= edges - 1; // what is seen before this edge was written at the one before
        if (read_valid) $fwrite(out, "read %h\n", read_data);
        if (was_busy & ~busy) begin
            $fwrite(out, "cycles %0d %0d\n", last_edge - first_edge + 1, busy_edges);
            first_edge <= -1;
            busy_edges <= 0;
        end
        if (edges > LIMIT) $fwrite(out, "stuck\n");
        if (edges > LIMIT | (next == WORDS & quiet > QUIET)) begin
            $fclose(out);
            $finish(0);
        end
    end

    initial begin
        $readmemh("host.hex", host);
        out = $fopen("out.txt", "w");
        repeat (ROWS + COLS + 4) @(negedge clock);
        reset = 0;
    end
endmodule

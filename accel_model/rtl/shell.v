// The array with all it needs to multiply matrices on a chip: memories for both operands and the results, the address
// generators that play folds from them, and one narrow port to the outside. What is outside: the DRAM and its controller.
//
// The port takes one command an edge: nothing, 32 bits of x, 32 bits of y, a setting, a start, or a read.
//   X, Y   the next 32 bits of a beat, lowest lane first; a whole beat goes to the next address, with the tag
//          {last beat of the fold, mask of the rows or columns used} that was set before.
//   SET    the setting data[31:28] takes data[27:0] (two counts: the first in [27:14], the second in [13:0]).
//   START  plays the operands: busy is high until the last result is in memory. x or y is played in chunks, each
//          `repeats` times: os, x is one chunk of all row folds, y a chunk per column fold; ws, x is one chunk of all
//          folds of K, y one chunk of all weights. Operands may be written meanwhile, where they are not played from.
//   READ   the next result of a column, from the bank that the array does not write: it comes to the port with read_valid.
//
// A column's results lie in its memory in the order in which they leave the array. ws: the results of one chunk and of
// its repeats, the folds of K, are added; a chunk must have 4 results or more, for a sum to be written when it is next
// read. Hold `reset` for ROWS + COLS + 4 edges at the start.
module shell #(
    parameter WEIGHT_STATIONARY = 0,
    parameter ROWS = 4,
    parameter COLS = 4,
    parameter FLOAT = 0,
    parameter OPERAND_BITS = 8,
    parameter SUM_BITS = 32,
    parameter PRODUCT_STAGES = 2,
    parameter OPERAND_ADDRESS_BITS = 10, // at most 14
    parameter RESULT_ADDRESS_BITS = 9 // of each of two banks; at most 14
) (
    input wire clock,
    input wire reset,
    input wire [2:0] command,
    input wire [31:0] data,
    output reg busy,
    output wire read_valid,
    output wire [SUM_BITS-1:0] read_data
);
    localparam X = 3'd1, Y = 3'd2, SET = 3'd3, START = 3'd4, READ = 3'd5;
    localparam X_BITS = ROWS * OPERAND_BITS, Y_BITS = COLS * OPERAND_BITS;
    localparam WRITE_EDGES = WEIGHT_STATIONARY ? 4 : 1; // from a result's arrival at the memory to its being there

    reg [2:0] now;
    reg [31:0] value;
    always @(posedge clock) {now, value} <= reset ? 35'd0 : {command, data};

    reg [ROWS:0] x_tag;
    reg [COLS:0] y_tag;
    reg [13:0] x_base, x_last, x_repeats, x_chunks, y_base, y_last, y_repeats, y_chunks;
    reg [13:0] result_last, result_repeats, result_chunks;
    reg bank;
    wire set = now == SET;
    wire start = now == START;
    wire [3:0] setting = value[31:28];
    always @(posedge clock)
        if (set)
            case (setting) // counts are one less than what they count
                4'd0: x_tag <= value;
                4'd1: y_tag <= value;
                4'd4: {x_base, x_last} <= value;
                4'd5: {x_repeats, x_chunks} <= value;
                4'd6: {y_base, y_last} <= value;
                4'd7: {y_repeats, y_chunks} <= value;
                4'd8: {result_repeats, result_last} <= value;
                4'd9: {bank, result_chunks} <= value;
            endcase

    wire x_valid, y_valid, x_ready, y_ready;
    wire [X_BITS+ROWS:0] x_beat;
    wire [Y_BITS+COLS:0] y_beat;

    operands #(.BITS(X_BITS), .TAG_BITS(ROWS + 1), .ADDRESS_BITS(OPERAND_ADDRESS_BITS)) x_memory (
        .clock(clock),
        .reset(reset),
        .write(now == X),
        .seek(set & setting == 4'd2),
        .value(value),
        .tag(x_tag),
        .start(start),
        .base(x_base),
        .last(x_last),
        .repeats(x_repeats),
        .chunks(x_chunks),
        .ready(x_ready),
        .valid(x_valid),
        .beat(x_beat)
    );
    operands #(.BITS(Y_BITS), .TAG_BITS(COLS + 1), .ADDRESS_BITS(OPERAND_ADDRESS_BITS)) y_memory (
        .clock(clock),
        .reset(reset),
        .write(now == Y),
        .seek(set & setting == 4'd3),
        .value(value),
        .tag(y_tag),
        .start(start),
        .base(y_base),
        .last(y_last),
        .repeats(y_repeats),
        .chunks(y_chunks),
        .ready(y_ready),
        .valid(y_valid),
        .beat(y_beat)
    );

    wire [COLS-1:0] leaves;
    wire [COLS*SUM_BITS-1:0] leaving;
    reg [COLS-1:0] result_valid;
    reg [COLS*SUM_BITS-1:0] result;
    always @(posedge clock) {result_valid, result} <= {leaves, leaving};

    systolic #(
        .WEIGHT_STATIONARY(WEIGHT_STATIONARY),
        .ROWS(ROWS),
        .COLS(COLS),
        .FLOAT(FLOAT),
        .OPERAND_BITS(OPERAND_BITS),
        .SUM_BITS(SUM_BITS),
        .PRODUCT_STAGES(PRODUCT_STAGES)
    ) core (
        .clock(clock),
        .reset(reset),
        .overlap(2'd2), // pipelined
        .x_valid(x_valid),
        .x_last(x_beat[X_BITS+ROWS]),
        .x_rows(x_beat[X_BITS+:ROWS]),
        .x(x_beat[X_BITS-1:0]),
        .x_ready(x_ready),
        .y_valid(y_valid),
        .y_last(y_beat[Y_BITS+COLS]),
        .y_columns(y_beat[Y_BITS+:COLS]),
        .y(y_beat[Y_BITS-1:0]),
        .y_ready(y_ready),
        .result_valid(leaves),
        .result(leaving)
    );

    // Results leave column j j edges after those of column 0, so their addresses follow them from column to column.
    // Reads go the same way, and what they find.
    wire [13:0] result_address;
    wire result_first, result_ends;
    walk results (
        .clock(clock),
        .start(start),
        .step(result_valid[0]),
        .base(14'd0),
        .last(result_last),
        .repeats(result_repeats),
        .chunks(result_chunks),
        .address(result_address),
        .first(result_first),
        .ends(result_ends)
    );

    reg [13:0] read_address;
    reg [COLS-1:0] read_column; // one of them is set
    always @(posedge clock) begin
        if (now == READ) read_address <= read_address + 1'b1;
        if (set & setting == 4'd10) read_address <= value;
        if (set & setting == 4'd11) read_column <= value;
    end

    wire [SUM_BITS-1:0] passing_results[0:COLS]; // entry j enters column j
    assign passing_results[0] = 0;
    genvar j;
    generate
        for (j = 0; j < COLS; j = j + 1) begin : column
            wire [RESULT_ADDRESS_BITS-1:0] address, address_read;
            wire first, chosen;
            wire [SUM_BITS-1:0] found;
            reg [SUM_BITS-1:0] passing;
            delay #(.WIDTH(2 * RESULT_ADDRESS_BITS + 1), .CYCLES(j)) follow (
                .clock(clock),
                .in({result_first, result_address[RESULT_ADDRESS_BITS-1:0], read_address[RESULT_ADDRESS_BITS-1:0]}),
                .out({first, address, address_read})
            );
            results #(
                .ACCUMULATE(WEIGHT_STATIONARY),
                .FLOAT(FLOAT),
                .BITS(SUM_BITS),
                .ADDRESS_BITS(RESULT_ADDRESS_BITS)
            ) memory (
                .clock(clock),
                .bank(bank),
                .valid(result_valid[j]),
                .first(first),
                .address(address),
                .result(result[j*SUM_BITS+:SUM_BITS]),
                .read_address(address_read),
                .read(found)
            );
            delay #(.WIDTH(1), .CYCLES(j + 2)) choose (.clock(clock), .in(read_column[j]), .out(chosen));
            always @(posedge clock) passing <= passing_results[j] | (found & {SUM_BITS{chosen}});
            assign passing_results[j+1] = passing;
        end
    endgenerate
    assign read_data = passing_results[COLS];
    delay #(.WIDTH(1), .CYCLES(COLS + 2)) reading (.clock(clock), .in(now == READ), .out(read_valid));

    wire done;
    delay #(.WIDTH(1), .CYCLES(COLS - 1 + WRITE_EDGES)) passing (
        .clock(clock),
        .in(result_valid[0] & result_ends),
        .out(done)
    );
    always @(posedge clock) busy <= ~reset & (start | (busy & ~done));
endmodule


// Addresses of chunks of `last` + 1 words, each walked `repeats` + 1 times before the next, `chunks` + 1 of them.
module walk (
    input wire clock,
    input wire start,
    input wire step,
    input wire [13:0] base,
    input wire [13:0] last,
    input wire [13:0] repeats,
    input wire [13:0] chunks,
    output reg [13:0] address,
    output wire first, // the chunk is walked for the first time
    output wire ends // this is the last address of all
);
    reg [13:0] chunk_start, offset, repetition, chunk;
    wire chunk_ends = offset == last, repeats_end = repetition == repeats;
    assign first = repetition == 0;
    assign ends = chunk_ends & repeats_end & chunk == chunks;

    always @(posedge clock) begin
        if (step) begin
            offset <= chunk_ends ? 14'd0 : offset + 1'b1;
            address <= chunk_ends & ~repeats_end ? chunk_start : address + 1'b1;
            if (chunk_ends) repetition <= repeats_end ? 14'd0 : repetition + 1'b1;
            if (chunk_ends & repeats_end) {chunk_start, chunk} <= {address + 14'd1, chunk + 14'd1};
        end
        if (start) {address, chunk_start, offset, repetition, chunk} <= {base, base, 14'd0, 14'd0, 14'd0};
    end
endmodule


// A memory of beats: written 32 bits at a time, played as a stream that waits while the array is not ready.
module operands #(
    parameter BITS = 32,
    parameter TAG_BITS = 5,
    parameter ADDRESS_BITS = 10
) (
    input wire clock,
    input wire reset,
    input wire write,
    input wire seek, // go on writing at the address `value`
    input wire [31:0] value,
    input wire [TAG_BITS-1:0] tag,
    input wire start,
    input wire [13:0] base,
    input wire [13:0] last,
    input wire [13:0] repeats,
    input wire [13:0] chunks,
    input wire ready,
    output reg valid,
    output reg [TAG_BITS+BITS-1:0] beat
);
    localparam PIECES = (BITS + 31) / 32;

    (* no_rw_check *) reg [TAG_BITS+BITS-1:0] beats[0:(1<<ADDRESS_BITS)-1];

    reg [32*PIECES-1:0] pieces;
    reg [7:0] piece;
    reg whole;
    reg [ADDRESS_BITS-1:0] write_address;
    always @(posedge clock) begin
        whole <= write & piece == PIECES - 1;
        if (write) begin
            pieces <= {value, pieces} >> 32;
            piece <= piece == PIECES - 1 ? 8'd0 : piece + 1'b1;
        end
        if (whole) begin
            beats[write_address] <= {tag, pieces[BITS-1:0]};
            write_address <= write_address + 1'b1;
        end
        if (seek) {piece, write_address} <= {8'd0, value[ADDRESS_BITS-1:0]};
    end

    // `spare` takes the beat that comes when the array stops taking them, so that no wire from the array's `ready` goes
    // as far as the memory.
    reg playing, read_valid, fetched_valid, spare_valid;
    reg [TAG_BITS+BITS-1:0] read, fetched, spare;
    wire [13:0] address;
    wire ends;
    wire moves = ~valid | ready;
    walk addresses (
        .clock(clock),
        .start(start),
        .step(playing & ~spare_valid),
        .base(base),
        .last(last),
        .repeats(repeats),
        .chunks(chunks),
        .address(address),
        .first(),
        .ends(ends)
    );
    always @(posedge clock) begin
        if (~spare_valid) begin
            read <= beats[address[ADDRESS_BITS-1:0]];
            {fetched, spare} <= {read, fetched};
            {read_valid, fetched_valid} <= {playing, read_valid};
        end
        if (moves) beat <= spare_valid ? spare : fetched;
        valid <= ~moves | spare_valid | fetched_valid;
        spare_valid <= ~moves & (spare_valid | fetched_valid);
        playing <= start | (playing & (spare_valid | ~ends));
        if (reset) {playing, read_valid, fetched_valid, spare_valid, valid} <= 5'd0;
    end
endmodule


// The results of one column in two banks: the array writes one, the port reads the other.
module results #(
    parameter ACCUMULATE = 0, // add to what is there, unless it comes `first`
    parameter FLOAT = 0,
    parameter BITS = 32,
    parameter ADDRESS_BITS = 9
) (
    input wire clock,
    input wire bank, // that the array writes
    input wire valid,
    input wire first,
    input wire [ADDRESS_BITS-1:0] address,
    input wire [BITS-1:0] result,
    input wire [ADDRESS_BITS-1:0] read_address,
    output reg [BITS-1:0] read // two edges after its address
);
    (* no_rw_check *) reg [BITS-1:0] bank_0[0:(1<<ADDRESS_BITS)-1];
    (* no_rw_check *) reg [BITS-1:0] bank_1[0:(1<<ADDRESS_BITS)-1];
    reg [BITS-1:0] word_0, word_1;

    wire write;
    wire [ADDRESS_BITS-1:0] write_address, look_0, look_1;
    wire [BITS-1:0] written;
    always @(posedge clock) begin
        if (write & ~bank) bank_0[write_address] <= written;
        if (write & bank) bank_1[write_address] <= written;
        word_0 <= bank_0[look_0];
        word_1 <= bank_1[look_1];
        read <= bank ? word_0 : word_1;
    end

    generate
        if (ACCUMULATE == 0) begin : plain
            assign {write, write_address, written} = {valid, address, result};
            assign {look_0, look_1} = {read_address, read_address};
        end else begin : accumulating
            reg [2:0] valids;
            reg [3*ADDRESS_BITS-1:0] addresses;
            reg first_1, first_2;
            reg [BITS-1:0] result_1, result_2, before, sum;
            wire [BITS-1:0] total;
            assign {look_0, look_1} = bank ? {read_address, address} : {address, read_address};
            assign {write, write_address, written} = {valids[2], addresses[3*ADDRESS_BITS-1-:ADDRESS_BITS], sum};
            add #(.FLOAT(FLOAT), .BITS(BITS)) adder (.a(before), .b(result_2), .sum(total));
            always @(posedge clock) begin
                valids <= {valids, valid};
                addresses <= {addresses, address};
                {first_1, first_2} <= {first, first_1};
                {result_1, result_2} <= {result, result_1};
                before <= bank ? word_1 : word_0;
                sum <= first_2 ? result_2 : total;
            end
        end
    endgenerate
endmodule

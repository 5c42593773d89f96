// Decides when a fold may enter the array, from the array's own events alone: it knows no size and counts no cycle.
//
// Within a fold a beat enters at each edge at which its source offers one. Between folds, by `overlap`:
//   none       a fold waits until the last result of the one before is in the bottom row (drained);
//   buffered   os: until the last product of the one before is in its sum (done); its results drain meanwhile.
//              ws: until the last result of the one before is in the bottom row (drained); weights come in meanwhile.
//   pipelined  os: only a fold's last beat waits, until the last row that the fold before uses has met its last one
//              (ended): so results of two folds never meet on their way down.
//              ws: a fold waits for its own weights alone.
// Weights (ws) enter as soon as the fold before has taken its own from the shadow registers into use; with `none`, when
// that fold is drained.
module sequencer #(
    parameter WEIGHT_STATIONARY = 0
) (
    input wire clock,
    input wire reset,
    input wire [1:0] overlap, // 0 none, 1 buffered, 2 pipelined; changes only while the array is empty
    input wire ended,
    input wire done,
    input wire drained,
    input wire x_valid,
    input wire x_last,
    output wire x_ready,
    output wire x_first,
    input wire y_valid,
    input wire y_last,
    output wire y_ready
);
    localparam NONE = 2'd0, BUFFERED = 2'd1, PIPELINED = 2'd2;

    reg x_within; // the next beat of x is not the first of its fold
    reg waiting; // for the event that lets the next fold in
    wire x_fire = x_valid & x_ready;
    wire arms, event_seen; // what begins and what ends the wait
    wire clear = ~waiting | event_seen;
    assign x_first = ~x_within;

    always @(posedge clock) begin
        if (x_fire) x_within <= ~x_last;
        waiting <= arms | ~clear;
        if (reset) {x_within, waiting} <= 2'b00;
    end

    generate
        if (WEIGHT_STATIONARY == 0) begin : os
            wire go = ~reset & (clear | (overlap == PIPELINED ? ~x_last : x_within));
            assign arms = x_fire & x_last;
            assign event_seen = overlap == NONE ? drained : overlap == BUFFERED ? done : ended;
            assign x_ready = go & y_valid; // beats of x and y enter together
            assign y_ready = go & x_valid;
        end else begin : ws
            reg y_within, shadow_taken, loaded; // the shadow registers are reserved for a fold; hold all its weights
            wire y_fire = y_valid & y_ready;
            wire start = x_fire & x_first;
            wire shadow_free = overlap == NONE ? ~shadow_taken & clear : ~shadow_taken | start;
            assign arms = start;
            assign event_seen = drained;
            assign x_ready = ~reset & (x_within | (loaded & (overlap == PIPELINED | clear)));
            assign y_ready = ~reset & (y_within | shadow_free);

            always @(posedge clock) begin
                if (y_fire) y_within <= ~y_last;
                shadow_taken <= y_fire | (shadow_taken & ~start);
                loaded <= (y_fire & y_last) | (loaded & ~start);
                if (reset) {y_within, shadow_taken, loaded} <= 3'b000;
            end
        end
    endgenerate
endmodule

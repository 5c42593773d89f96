// The product and the sum of one processing element, in whole numbers (FLOAT = 0) or in bfloat16 and float32 (1).
//
// FLOAT: a product of two bfloat16 is exact in float32; sums are float32, rounded to nearest, ties to even. Numbers below
// the least normal one are zero. What is too large is infinite and stays so; there is no NaN.
module multiply #(
    parameter FLOAT = 0,
    parameter OPERAND_BITS = 8
) (
    input wire [OPERAND_BITS-1:0] a,
    input wire [OPERAND_BITS-1:0] b,
    output wire [2*OPERAND_BITS-1:0] product
);
    generate
        if (FLOAT == 0) begin : whole
            wire signed [OPERAND_BITS-1:0] left = a, right = b;
            wire signed [2*OPERAND_BITS-1:0] exact = left * right;
            assign product = exact;
        end else begin : float // OPERAND_BITS = 16
            wire [7:0] left = {1'b1, a[6:0]}, right = {1'b1, b[6:0]};
            wire [15:0] digits = left * right; // 1 or 2 digits before the point
            wire [9:0] exponent = a[14:7] + b[14:7] + digits[15]; // 127 too high
            wire zero = a[14:7] == 0 | b[14:7] == 0 | exponent < 10'd128;
            wire infinite = &a[14:7] | &b[14:7] | exponent >= 10'd382;
            wire [9:0] unbiased = exponent - 10'd127;
            wire [14:0] fraction = digits[15] ? digits[14:0] : {digits[13:0], 1'b0};
            assign product[31] = a[15] ^ b[15];
            assign product[30:0] = infinite ? {8'hff, 23'd0} : zero ? 31'd0 : {unbiased[7:0], fraction, 8'd0};
        end
    endgenerate
endmodule


module add #(
    parameter FLOAT = 0,
    parameter BITS = 32
) (
    input wire [BITS-1:0] a,
    input wire [BITS-1:0] b,
    output wire [BITS-1:0] sum
);
    generate
        if (FLOAT == 0) begin : whole
            assign sum = a + b;
        end else begin : float // BITS = 32
            wire a_larger = a[30:0] >= b[30:0];
            wire [31:0] big = a_larger ? a : b, little = a_larger ? b : a;
            wire [7:0] distance = big[30:23] - little[30:23];
            // 24 digits, two more that rounding needs, and one that tells whether any lower digit is set
            wire [26:0] big_digits = big[30:23] == 0 ? 27'd0 : {1'b1, big[22:0], 3'd0};
            wire [26:0] little_digits = little[30:23] == 0 ? 27'd0 : {1'b1, little[22:0], 3'd0};
            wire [26:0] s16 = distance[4] ? {16'd0, little_digits[26:17], |little_digits[16:0]} : little_digits;
            wire [26:0] s8 = distance[3] ? {8'd0, s16[26:9], |s16[8:0]} : s16;
            wire [26:0] s4 = distance[2] ? {4'd0, s8[26:5], |s8[4:0]} : s8;
            wire [26:0] s2 = distance[1] ? {2'd0, s4[26:3], |s4[2:0]} : s4;
            wire [26:0] s1 = distance[0] ? {1'd0, s2[26:2], |s2[1:0]} : s2;
            wire [26:0] shifted = |distance[7:5] ? {26'd0, |little_digits} : s1;

            wire subtract = big[31] ^ little[31];
            wire [27:0] total = subtract ? big_digits - shifted : big_digits + shifted;
            // to the left until the first digit is set
            wire [27:0] n16 = |total[27:12] ? total : {total[11:0], 16'd0};
            wire [27:0] n8 = |n16[27:20] ? n16 : {n16[19:0], 8'd0};
            wire [27:0] n4 = |n8[27:24] ? n8 : {n8[23:0], 4'd0};
            wire [27:0] n2 = |n4[27:26] ? n4 : {n4[25:0], 2'd0};
            wire [27:0] n1 = n2[27] ? n2 : {n2[26:0], 1'd0};
            wire [4:0] moved = {~|total[27:12], ~|n16[27:20], ~|n8[27:24], ~|n4[27:26], ~n2[27]};

            wire up = n1[3] & (|n1[2:0] | n1[4]);
            wire [24:0] rounded = n1[27:4] + up;
            wire signed [10:0] exponent = $signed({3'd0, big[30:23]}) + 11'sd1 - $signed({6'd0, moved}) + $signed({10'd0, rounded[24]});
            wire zero = ~n1[27] | exponent <= 0;
            wire infinite = &big[30:23] | exponent >= 255;
            wire sign = n1[27] ? big[31] : a[31] & b[31];
            assign sum = {sign, infinite ? {8'hff, 23'd0} : zero ? 31'd0 : {exponent[7:0], rounded[22:0]}};
        end
    endgenerate
endmodule

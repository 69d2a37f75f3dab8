//! SHA-256, for the few bytes of script and style that a page names by their hash (Content-Security-Policy).
//!
//! It runs while this program is compiled, so a hash can't be out of date, and no crate is needed for it. Not for anything
//! that comes from outside: it is slow.
//!
//! FIPS 180-4 §4.1.2 (functions), §5 (padding), §6.2 (the computation). The constants of §4.2.2 and §5.3.3 are the first
//! bits of the fractional parts of cube and square roots of primes, and stand here as the standard prints them.

/// The hash of a text.
pub const fn hash(text: &[u8]) -> [u8; 32] {
    let mut state = INITIAL;
    let blocks = (text.len() + 8) / 64 + 1;
    let mut block = 0;
    while block < blocks {
        state = compressed(state, &padded_block(text, block, block + 1 == blocks));
        block += 1;
    }
    let mut out = [0; 32];
    let mut word = 0;
    while word < 8 {
        let bytes = state[word].to_be_bytes();
        let mut byte = 0;
        while byte < 4 {
            out[4 * word + byte] = bytes[byte];
            byte += 1;
        }
        word += 1;
    }
    out
}

/// A hash as a policy writes it: base64 (RFC 4648 §4), which of 32 bytes has 44 digits.
pub const fn base64(hash: [u8; 32]) -> [u8; 44] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = [b'='; 44];
    let mut digit = 0;
    // 256 bits are 43 digits, the last of them with two bits that are 0.
    while digit < 43 {
        let bit = 6 * digit;
        let first = hash[bit / 8] as u16;
        let second = if bit / 8 + 1 < 32 { hash[bit / 8 + 1] as u16 } else { 0 };
        let shift = 10 - bit % 8;
        out[digit] = DIGITS[((first << 8 | second) >> shift & 0b11_1111) as usize];
        digit += 1;
    }
    out
}

/// A block of 64 bytes of the text, with the padding behind its end: a bit, zeros, and the length in bits.
const fn padded_block(text: &[u8], block: usize, is_last: bool) -> [u8; 64] {
    let mut out = [0; 64];
    let mut at = 0;
    while at < 64 {
        let from = 64 * block + at;
        if from < text.len() {
            out[at] = text[from];
        } else if from == text.len() {
            out[at] = 0x80;
        }
        at += 1;
    }
    if is_last {
        let bits = (text.len() as u64 * 8).to_be_bytes();
        let mut byte = 0;
        while byte < 8 {
            out[56 + byte] = bits[byte];
            byte += 1;
        }
    }
    out
}

const fn compressed(state: [u32; 8], block: &[u8; 64]) -> [u32; 8] {
    let words = schedule(block);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    let mut round = 0;
    while round < 64 {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let t1 = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(ROUNDS[round]).wrapping_add(words[round]);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let t2 = s0.wrapping_add(majority);
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
        round += 1;
    }
    let mut next = [a, b, c, d, e, f, g, h];
    let mut word = 0;
    while word < 8 {
        next[word] = next[word].wrapping_add(state[word]);
        word += 1;
    }
    next
}

const fn schedule(block: &[u8; 64]) -> [u32; 64] {
    let mut words = [0; 64];
    let mut at = 0;
    while at < 64 {
        words[at] = if at < 16 {
            u32::from_be_bytes([block[4 * at], block[4 * at + 1], block[4 * at + 2], block[4 * at + 3]])
        } else {
            let (near, far) = (words[at - 2], words[at - 15]);
            let s1: u32 = near.rotate_right(17) ^ near.rotate_right(19) ^ (near >> 10);
            let s0: u32 = far.rotate_right(7) ^ far.rotate_right(18) ^ (far >> 3);
            s1.wrapping_add(words[at - 7]).wrapping_add(s0).wrapping_add(words[at - 16])
        };
        at += 1;
    }
    words
}

const INITIAL: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

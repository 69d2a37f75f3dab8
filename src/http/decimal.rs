//! A number in decimal digits, as heads have it.

/// A number takes 10 ns like this and 20 by `write!`, and there are two in every head.
pub fn write(out: &mut Vec<u8>, mut number: u64) {
    // The largest has 20 digits.
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] += u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

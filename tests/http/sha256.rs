//! SHA-256: the examples of FIPS 180-4 (NIST, "Examples with Intermediate Values"), and base64 of RFC 4648.

use millpond::http::sha256;

#[test]
fn the_examples_of_the_standard() {
    let million = "a".repeat(1_000_000);
    let rows = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for (text, expected) in rows {
        let hash: String = sha256::hash(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, expected, "{} bytes", text.len());
    }
}

#[test]
fn a_hash_in_base64() {
    let rows = [
        (sha256::hash(b"abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ([0; 32], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ([0xff; 32], "//////////////////////////////////////////8="),
    ];
    for (hash, expected) in rows {
        assert_eq!(sha256::base64(hash).escape_ascii().to_string(), expected);
    }
}

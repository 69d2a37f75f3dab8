//! The options of TLS, in a millpond that has it and in one that doesn't.

use clap::Parser as _;
use clap::error::ErrorKind;
use millpond::cli::Arguments;

fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from([&["millpond"], arguments].concat())
}

#[cfg(feature = "tls")]
#[test]
fn a_chain_and_its_key_reach_their_fields() {
    let arguments = parse(&["--tls-cert", "a.pem", "--tls-key", "b.pem"]).expect("both are named");
    assert_eq!(arguments.tls(), Some(("a.pem".as_ref(), "b.pem".as_ref())));
    assert_eq!(parse(&[]).expect("nothing is no mistake").tls(), None);
    for one in [["--tls-cert", "a.pem"], ["--tls-key", "b.pem"]] {
        assert_eq!(parse(&one).expect_err("one is no use").kind(), ErrorKind::MissingRequiredArgument);
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_each_says_how_to_get_it() {
    for option in ["--tls-cert", "--tls-key"] {
        let error = parse(&[option, "a.pem"]).expect_err("it can't be used");
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::ValueValidation, 2));
        let first = error.to_string().lines().next().map(str::to_owned);
        let message = "this millpond is built without TLS; build one that has it: cargo build --release --features tls";
        assert_eq!(first, Some(format!("error: invalid value 'a.pem' for '{option} <FILE>': {message}")));
    }
}

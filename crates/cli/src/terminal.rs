//! Standard output for results, standard error for everything a person should know beside them.

use std::io::Write as _;

/// Text from elsewhere (a package, a server) with every control character replaced, line ends too:
/// it can neither move the cursor over what this tool says nor add lines of its own (SCL-3).
pub(crate) fn clean(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Prints a result line.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
    let _ = std::io::stdout().flush();
}

/// Prints a remark.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn ended() {
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SCL-3.
    #[test]
    fn text_from_elsewhere_cannot_change_what_is_on_the_screen() {
        let forged = "x\r\u{1b}[1A\u{1b}[2KVERIFIED\n\u{9b}2K";
        assert!(!clean(forged).contains(char::is_control));
        assert_eq!(clean("grant `Ä` – 5"), "grant `Ä` – 5");
    }
}

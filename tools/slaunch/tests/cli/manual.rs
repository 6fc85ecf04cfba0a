// SPDX-License-Identifier: GPL-2.0

//! `slaunch completion` and `slaunch man`.

use std::process::Command;

use crate::common::answer;

#[test]
fn completion() {
    for shell in ["bash", "zsh", "fish"] {
        let script = answer(0, &["completion", shell]);
        for word in ["predict", "verify", "efi-gate"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // The one shell that is always there takes it.
    let script = answer(0, &["completion", "bash"]);
    let test =
        "source /dev/stdin && complete -p slaunch && COMP_WORDS=(slaunch pre) COMP_CWORD=1 && \
                _slaunch slaunch pre slaunch && echo \"${COMPREPLY[@]}\"";
    let mut child = Command::new("bash")
        .args(["--norc", "-c", test])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.ends_with("predict\n"),
        "{text}"
    );
}

#[test]
fn pages() {
    let page = answer(0, &["man"]);
    for words in [".SH \"EXIT STATUS\"", "quote refused", "slaunch\\-verify"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("man1");
    let list = answer(0, &["man", "--out", path.to_str().unwrap()]);
    let commands = [
        "", "-log", "-status", "-replay", "-predict", "-policy", "-verify",
    ];
    for command in commands {
        let page = path.join(format!("slaunch{command}.1"));
        assert!(list.contains(page.to_str().unwrap()));
        let text = std::fs::read_to_string(page).unwrap();
        assert!(
            text.contains("EXIT STATUS") && text.contains(".SH SYNOPSIS"),
            "{text}"
        );
    }
}

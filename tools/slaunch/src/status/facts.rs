// SPDX-License-Identifier: GPL-2.0

//! What the kernel says, read from its files.

use anyhow::Result;

use crate::input::Root;

const DIRECTORY: &str = "/sys/kernel/security/slaunch";

/// The files of a launched kernel; what cannot be read is told apart from what is not there.
#[derive(Debug, Default)]
pub struct Facts {
    /// The lines of `state`: name and value, in order. None if the file is not there.
    pub state: Option<Vec<(String, String)>>,
    /// `efi/mode`.
    pub mode: Option<String>,
    /// `efi/calls`: service, calls, refused.
    pub calls: Vec<(String, u64, u64)>,
    /// `efi/violations`.
    pub violations: Option<u64>,
    /// `efi/last`.
    pub last: Option<String>,
    /// Number of lines of `efi/regions`.
    pub regions: Option<usize>,
    /// `slaunch=` on the command line.
    pub requested: Option<String>,
    /// Files that are there and could not be read.
    pub unreadable: Vec<String>,
}

impl Facts {
    /// Reads all there is.
    pub fn read(root: &Root) -> Self {
        let mut facts = Self::default();
        let state = facts.file(root, &format!("{DIRECTORY}/state"));
        facts.state = state.map(|text| lines(&text));
        let line = |text: String| text.trim_end_matches('\n').to_owned();
        facts.mode = facts.file(root, &format!("{DIRECTORY}/efi/mode")).map(line);
        let calls = facts.file(root, &format!("{DIRECTORY}/efi/calls"));
        facts.calls = calls.map(|text| calls_of(&text)).unwrap_or_default();
        let violations = facts.file(root, &format!("{DIRECTORY}/efi/violations"));
        facts.violations = violations.and_then(|text| text.trim().parse().ok());
        let last = facts.file(root, &format!("{DIRECTORY}/efi/last")).map(line);
        facts.last = last.filter(|last| !last.is_empty());
        let regions = facts.file(root, &format!("{DIRECTORY}/efi/regions"));
        facts.regions = regions.map(|text| text.lines().count());
        let cmdline = facts.file(root, "/proc/cmdline");
        facts.requested = cmdline.and_then(|line| requested(&line));
        facts
    }

    fn file(&mut self, root: &Root, path: &str) -> Option<String> {
        let text: Result<_> = root.text(path);
        text.unwrap_or_else(|_| {
            self.unreadable.push(path.to_owned());
            None
        })
    }

    /// The value of a line of `state`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let state = self.state.as_ref()?;
        let line = state.iter().find(|line| line.0 == name);
        line.map(|line| &*line.1)
    }

    /// Whether there was a launch; none if the kernel does not say.
    pub fn launched(&self) -> Option<bool> {
        self.get("launched").map(|value| value == "yes")
    }

    /// The number of the reason why there was no launch.
    pub fn reason(&self) -> Option<u32> {
        let text = self.get("reason")?;
        match text.rsplit_once("(reason ") {
            Some((_, rest)) => rest.split_once(',')?.0.parse().ok(),
            None if text == "not requested" => Some(0),
            None => None,
        }
    }

    /// Code, TPM response and details of the last error; none without one.
    pub fn error(&self) -> Option<[u64; 4]> {
        let mut words = self.get("error")?.split(' ');
        let mut number = |name: Option<&str>| {
            if name.is_some() && words.next() != name {
                return None;
            }
            u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()
        };
        Some([
            number(None)?,
            number(Some("tpm"))?,
            number(Some("detail"))?,
            number(None)?,
        ])
    }
}

fn lines(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    pairs.filter(|(name, _)| !name.is_empty()).collect()
}

fn calls_of(text: &str) -> Vec<(String, u64, u64)> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        Some((
            name,
            words.next()?.parse().ok()?,
            words.next()?.parse().ok()?,
        ))
    };
    text.lines().filter_map(line).collect()
}

/// The value of the last `slaunch=` before a `--`.
fn requested(line: &str) -> Option<String> {
    let words = line.split_ascii_whitespace();
    let words = words.take_while(|word| *word != "--");
    let value = words
        .filter_map(|word| word.strip_prefix("slaunch="))
        .last()?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(text: &str) -> Facts {
        Facts {
            state: Some(lines(text)),
            ..Facts::default()
        }
    }

    #[test]
    fn lines_of_state() {
        let facts = with("launched: no\nreason: no TPM (reason 11, detail 0xe)\nx\n: y\n");
        assert_eq!((facts.launched(), facts.reason()), (Some(false), Some(11)));
        assert_eq!(with("reason: not requested\n").reason(), Some(0));
        let facts = with("error: 0xc0008083 tpm 0x922 detail 0x1 0x2\n");
        assert_eq!(facts.error(), Some([0xc000_8083, 0x922, 1, 2]));
        assert_eq!(with("error: none\n").error(), None);
        assert_eq!(
            requested("a slaunch=off slaunch=on,wait -- slaunch=x").as_deref(),
            Some("on,wait")
        );
        assert_eq!(calls_of("GetTime 3 0\nbad\n"), [("GetTime".into(), 3, 0)]);
    }

    proptest! {
        #[test]
        fn any_text(text in "[a-z:0-9x ,()\n]{0,200}") {
            let facts = with(&text);
            let _ = (facts.launched(), facts.reason(), facts.error(), calls_of(&text), requested(&text));
            let _ = with(&format!("error: {text}")).error();
            let _ = with(&format!("reason: (reason {text}")).reason();
        }
    }
}

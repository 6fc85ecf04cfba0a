// SPDX-License-Identifier: GPL-2.0

//! Words for people: colour on a terminal, and nothing that a terminal would take for a command.

use std::fmt::Display;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{presets, ContentArrangement, Table};

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How text is shown.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    colour: bool,
    terminal: bool,
}

impl Paint {
    /// For standard output.
    pub fn new(color: Color) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: match color {
                Color::Auto => terminal && !no_color,
                Color::Always => true,
                Color::Never => false,
            },
            terminal,
        }
    }

    /// Plain text.
    pub const fn plain() -> Self {
        Self {
            colour: false,
            terminal: false,
        }
    }

    fn with(self, style: Style, text: impl Display) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    /// What is as it should be.
    pub fn good(self, text: impl Display) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// What is not.
    pub fn bad(self, text: impl Display) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// What to look at.
    pub fn note(self, text: impl Display) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// What matters less.
    pub fn dim(self, text: impl Display) -> String {
        self.with(Style::new().dimmed(), text)
    }

    /// A heading.
    pub fn head(self, text: impl Display) -> String {
        self.with(Style::new().bold(), text)
    }

    /// A table: with lines on a terminal, only columns else.
    pub fn table(self, head: &[&str], rows: Vec<Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_preset(if self.terminal {
            presets::UTF8_HORIZONTAL_ONLY
        } else {
            presets::NOTHING
        });
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(head.iter().copied());
        table.add_rows(rows);
        let lines: Vec<_> = table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.join("\n") + "\n"
    }
}

/// Text that somebody else wrote, on one line and without control characters.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => out.push(c),
            _ if c.is_control() || !c.is_alphanumeric() => out.extend(c.escape_default()),
            _ => out.push(c),
        }
    }
    out
}

/// Whether these bytes are text that can be shown as it is.
pub fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_commands_for_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(safe("\u{202e}x\u{9b}"), "\\u{202e}x\\u{9b}");
        assert_eq!(safe("Größe 1"), "Größe 1");
        assert!(is_text(b"Measured SLB"));
        assert!(!is_text(b"") && !is_text(b"a\0") && !is_text(b"\x7f") && !is_text(b"\xc3\xb6"));
    }

    #[test]
    fn colour_only_where_asked() {
        assert_eq!(Paint::plain().bad("x"), "x");
        let colour = Paint::new(Color::Always).bad("x");
        assert!(colour.starts_with('\x1b') && colour.contains('x'));
        assert_eq!(Paint::new(Color::Never).good("x"), "x");
    }

    #[test]
    fn tables_are_columns() {
        let rows = vec![vec!["1".into(), "b".into()], vec!["22".into(), "c".into()]];
        let text = Paint::plain().table(&["N", "X"], rows);
        assert_eq!(text, " N   X\n 1   b\n 22  c\n");
    }
}

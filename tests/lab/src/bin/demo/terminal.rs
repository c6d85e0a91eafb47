//! Lines for people: time, what, and colours where the terminal shows them.

use std::io::IsTerminal;
use std::time::Instant;

/// Where the demo tells what it does.
pub struct Terminal {
    start: Instant,
    colours: bool,
}

impl Terminal {
    /// Standard output; with colours when it is a terminal and `NO_COLOR` is not set.
    pub fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            start: Instant::now(),
            colours,
        }
    }

    /// Times are told from now on as seconds since this moment.
    pub fn restart_clock(&mut self) {
        self.start = Instant::now();
    }

    /// The first line.
    pub fn heading(&self, text: &str) {
        println!("{}\n", self.coloured("1", text));
    }

    /// A name and what it stands for.
    pub fn fact(&self, name: &str, text: &str) {
        println!("  {name:<10} {text}");
    }

    /// Something that happened, and where.
    pub fn event(&self, place: &str, text: &str) {
        let colour = match place {
            "arrived" => "32",
            "held" | "approved" => "33",
            _ => "36",
        };
        let place = self.coloured(colour, &format!("{place:<10}"));
        println!("{:>7.1} s  {place} {text}", self.start.elapsed().as_secs_f32());
    }

    /// More about the last event.
    pub fn detail(&self, text: &str) {
        println!("{:>9}  {:<10} {text}", "", "");
    }

    /// A plain line.
    pub fn line(&self, text: &str) {
        println!("  {text}");
    }

    /// An empty line.
    pub fn blank(&self) {
        println!();
    }

    /// It all went well.
    pub fn success(&self, text: &str) {
        println!("  {}", self.coloured("1;32", text));
    }

    /// It did not; to standard error.
    pub fn failure(&self, text: &str) {
        eprintln!("\n  {}", self.coloured("1;31", text));
    }

    fn coloured(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

//! Asks the program, and looks at its answer.

use serde_json::Value;

use crate::support::Connector;
use crate::world::World;

/// Answer of `why --json`.
pub struct Answer(pub Value);

impl Connector {
    /// Asks with `--json` and without. Both must end with `code`, leave the state file as it is,
    /// and the text must end in the sentence.
    pub async fn ask(&self, name: &str, code: i32) -> Answer {
        let state = || std::fs::read(self.state()).ok();
        let before = state();
        let said = self.run(&["why", name, "--json"]).await.ended_with(code).stdout;
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        let text = self.run(&["why", name]).await.ended_with(code).stdout;
        assert_eq!(text.lines().last(), answer["sentence"].as_str(), "{text}");
        for step in answer["steps"].as_array().unwrap() {
            assert!(text.contains(step["text"].as_str().unwrap()), "{step}\n{text}");
        }
        assert!(before == state(), "the state file changed");
        Answer(answer)
    }
}

impl World {
    /// Asks for an object, which must be answered.
    pub async fn why(&self, name: &str) -> Answer {
        self.connector.ask(name, 0).await
    }
}

impl Answer {
    /// Checks the verdict, whether it is in ETM, and that the sentence has each of these words.
    #[track_caller]
    pub fn is(self, verdict: &str, in_etm: impl Into<Option<bool>>, words: &[&str]) -> Self {
        assert_eq!(self.0["verdict"], verdict, "{:#}", self.0);
        assert_eq!(self.0["inEtm"].as_bool(), in_etm.into(), "{:#}", self.0);
        let sentence = self.0["sentence"].as_str().unwrap();
        assert!(sentence.ends_with('.') && !sentence.contains("  "), "{sentence}");
        for word in words {
            assert!(sentence.contains(word), "{word}: {sentence}");
        }
        self
    }

    /// Checks the result of a step, and that its text or details have each of these words.
    #[track_caller]
    pub fn step(self, name: &str, result: &str, words: &[&str]) -> Self {
        let steps = self.0["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["step"] == name);
        let step = step.unwrap_or_else(|| panic!("no {name}: {:#}", self.0));
        assert_eq!(step["result"], result, "{step:#}");
        for word in words {
            assert!(step.to_string().contains(word), "{word}: {step:#}");
        }
        self
    }

    /// Checks that the advice has this word.
    #[track_caller]
    pub fn advises(self, word: &str) -> Self {
        let remedy = self.0["remedy"].as_str().unwrap_or_default();
        assert!(remedy.contains(word), "{word}: {remedy}");
        self
    }
}

//! Tests of the examples in the documentation.

use super::*;

const PAGE: &str = include_str!("../../../docs/mapping.md");

/// Returns the TOML examples of the page, each with the line on which it begins.
fn examples() -> Vec<(usize, String)> {
    let mut examples: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (at, line) in PAGE.lines().enumerate() {
        match line {
            "```toml" => {
                inside = true;
                examples.push((at + 2, String::new()));
            }
            "```" => inside = false,
            _ if inside => {
                if let Some((_, text)) = examples.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            _ => {}
        }
    }
    examples
}

#[test]
fn every_example_of_the_page_parses() {
    let examples = examples();
    assert!(examples.len() >= 5, "{} examples found", examples.len());
    for (line, example) in examples {
        let needs_identity = |kind: Kind| {
            example.contains(&format!("[[{kind}]]")) && !example.contains(TargetPath::EXTERNAL_ID)
        };
        // Most examples are single rows, without the row of the identity.
        let mut text = String::new();
        for kind in Kind::ALL.into_iter().filter(|kind| needs_identity(*kind)) {
            text.push_str(&file("").replace("user", kind.name()));
        }
        if !example.contains("[[") {
            text.push_str(&file(""));
        }
        text.push_str(&example);
        if let Err(errors) = Mapping::parse("example", &text) {
            panic!("the example at docs/mapping.md:{line} is refused: {errors}");
        }
    }
}

#[test]
fn the_page_names_every_form_and_every_kind() {
    for form in Form::ALL {
        assert!(
            PAGE.contains(&format!("| `{}` |", form.name())),
            "{}",
            form.name()
        );
    }
    for kind in Kind::ALL {
        assert!(PAGE.contains(&format!("`[[{kind}]]`")), "{kind}");
    }
    for pseudo in &computed_source::PSEUDO {
        assert!(
            PAGE.contains(&format!("| `{}` |", pseudo.name)),
            "{}",
            pseudo.name
        );
        assert!(Mapping::builtin_text().contains(pseudo.name), "{}", pseudo.name);
    }
}

#[test]
fn the_page_shows_the_asset_of_its_whole_example() {
    let (_, example) = examples().pop().unwrap();
    let computer = bare()
        .with("name", "WS-0042")
        .with("dNSHostName", "ws-0042.example.com")
        .with("userAccountControl", "4096");
    let asset = Mapping::parse("example", &example)
        .unwrap()
        .apply(Kind::Computer, &computer)
        .unwrap();
    assert!(PAGE.contains(&asset.json), "the page should show {}", asset.json);
}

#[test]
fn the_errors_of_the_page_are_the_real_ones() {
    let text =
        file("[[user]]\nsource = \"mail\"\nform = \"txt\"\ntarget = \"assetDetail.userAssetClass.email\"\n");
    let errors = Mapping::parse("mapping.toml", &text).unwrap_err().to_string();
    assert!(PAGE.contains(&errors), "the page should show\n{errors}");
}

//! Every sample of the corpus, and every prefix of every sample, goes through its body without a panic.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ipsec_fuzz::{TARGETS, Target};

/// The whole corpus stays small enough to live beside the code, in octets.
const MAX_CORPUS: usize = 2 << 20;

fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Names and contents of a target's samples, by name.
fn samples(target: &Target) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(directory(target.name)).expect("each target has a corpus");
    let mut samples: Vec<_> = files
        .map(|file| file.expect("a readable directory").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a readable sample")))
        .collect();
    samples.sort();
    samples
}

/// Prints past the test harness, which shows what `println!` wrote only when a test fails.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("an open standard error");
}

#[test]
fn every_sample_and_each_prefix_of_it() {
    let (mut cases, mut octets) = (0_usize, 0_usize);
    for target in TARGETS {
        let samples = samples(target);
        assert!(!samples.is_empty(), "no sample for {}", target.name);
        let before = cases;
        for (name, sample) in &samples {
            octets += sample.len();
            // The name of the culprit comes before its panic.
            println!("{name}");
            for end in (0..=sample.len()).rev() {
                (target.body)(&sample[..end]);
                cases += 1;
            }
        }
        say(&format!("{}: {} samples, {} cases", target.name, samples.len(), cases - before));
    }
    say(&format!("{cases} cases in all"));
    assert!(octets < MAX_CORPUS, "the corpus has {octets} octets");
}

/// A corpus directory or libFuzzer target without a body, or the reverse, would be skipped in silence.
#[test]
fn corpus_and_libfuzzer_targets_have_the_names_of_the_bodies() {
    let names = |directory: PathBuf| {
        let entries = fs::read_dir(&directory).expect("a readable directory");
        let mut names: Vec<String> = entries
            .map(|e| e.expect("a readable entry").path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let mut bodies: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
    bodies.sort_unstable();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(names(root.join("corpus")), bodies);
    assert_eq!(names(root.join("libfuzzer/fuzz_targets")), bodies);
}

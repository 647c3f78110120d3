//! The shell around the commands: files that call files, contexts, help, dump, the chosen store.

use ipsec_policy::Stores;
use ipsec_policy::netsh::{Error, Output, Prompt, Setting, run};

/// A folder of scripts.
fn with(files: &[(&str, &str)], script: &str) -> Result<(Stores, Output), Box<Error>> {
    let read = |name: &str| files.iter().find(|(n, _)| *n == name).map(|(_, text)| text.as_bytes().to_vec());
    let mut stores = Stores::new();
    let setting = Setting { read: Some(&read), ..Setting::default() };
    let output = run(&mut stores, "main", script.as_bytes(), &setting).map_err(Box::new)?;
    Ok((stores, output))
}

fn names(stores: &Stores) -> Vec<&str> {
    stores.local.policies().iter().map(|p| p.name.as_str()).collect()
}

#[test]
fn scripts_call_scripts() {
    let file = ("p.txt", "# remark\npushd ipsec static\nadd policy P\npopd\n");
    for script in
        ["netsh -f p.txt", "netsh exec p.txt", "exec p.txt", "@echo off\nnetsh.exe -F \"p.txt\" >nul"]
    {
        assert_eq!(names(&with(&[file], script).unwrap().0), ["P"], "{script}");
    }
    let bare = ("q.txt", "add policy Q\n");
    for script in [
        "netsh -c \"ipsec static\" -f q.txt",
        "netsh ipsec static exec q.txt",
        "pushd ipsec static\nexec q.txt\nshow store",
    ] {
        assert_eq!(names(&with(&[bare], script).unwrap().0), ["Q"], "{script}");
    }
    // What follows an exec stands where it stood before; `exit` ends the inner script alone.
    let wanders = ("w.txt", "ipsec dynamic\nadd mmpolicy M\nexit\nadd mmpolicy N");
    let (stores, _) = with(&[wanders], "pushd ipsec static\nexec w.txt\nadd policy P").unwrap();
    assert_eq!((names(&stores), stores.dynamic.mm_policies().len()), (vec!["P"], 1));
}

#[test]
fn errors_in_called_scripts_name_both_places() {
    let error = with(&[("p.txt", "add policy P\nadd policy P")], "exec p.txt").unwrap_err();
    assert_eq!((error.line, error.column), (1, 6));
    assert!(error.to_string().contains("p.txt:2:12: policy 'P' already exists"), "{error}");
    let error = with(&[], "exec p.txt").unwrap_err();
    assert!(error.to_string().contains("there is no file `p.txt`"), "{error}");
    let error = with(&[("p.txt", "exec p.txt")], "exec p.txt").unwrap_err();
    assert!(error.to_string().contains("too deep"), "{error}");
    let (_, output) = with(&[("p.txt", "add filter L me 10.1.2.3 dstmask=24")], "\nexec p.txt").unwrap();
    assert_eq!(
        output.notes[0].to_string(),
        "2:6: note: p.txt:1:17: host bits under the mask are not used: 10.1.2.3 means 10.1.2.0/24"
    );
}

#[test]
fn the_chosen_store_stays_chosen() {
    let script = "@echo off\nnetsh ipsec static set store location=persistent\nnetsh ipsec static add policy P\n\
        netsh ipsec static set store location=local\nnetsh ipsec static add policy Q";
    let (stores, _) = with(&[], script).unwrap();
    assert_eq!((names(&stores), stores.persistent.policies().len()), (vec!["Q"], 1));
}

/// The sentences are ours; the commands and tags in them are the reference's.
#[test]
fn help_for_each_place() {
    let script = "?\nipsec ?\nipsec static add policy ?\nipsec dynamic show ?\nipsec dynamic set config ?";
    insta::assert_snapshot!(with(&[], script).unwrap().1.text);
}

#[test]
fn dump_prints_a_script() {
    let (_, output) = with(&[], "ipsec static add policy P\nipsec dump").unwrap();
    assert!(output.text.contains("pushd ipsec static\nadd policy name=\"P\""), "{}", output.text);
}

/// `restorepolicyexamples` makes the three default policies with their lists and actions.
#[test]
fn examples_can_be_restored() {
    let (stores, _) = with(&[], "ipsec static restorepolicyexamples release=win2003").unwrap();
    assert_eq!(
        names(&stores),
        ["Client (Respond Only)", "Server (Request Security)", "Secure Server (Require Security)"]
    );
    assert!(stores.local.assigned().is_none());
}

/// Lines at the prompt: the context stays, a wrong line changes nothing, `exit` ends it.
#[test]
fn the_prompt_stays_where_it_is() {
    let mut prompt = Prompt::new(Stores::new());
    let mut say = |line: &str| {
        let answer = prompt.line(line, &Setting::default());
        (answer.error.map(|e| e.column), answer.ended, prompt.text(), prompt.stores().local.policies().len())
    };
    assert_eq!(say("ipsec"), (None, false, "netsh ipsec>", 0));
    assert_eq!(say("static"), (None, false, "netsh ipsec static>", 0));
    assert_eq!(say("add policy P"), (None, false, "netsh ipsec static>", 1));
    assert_eq!(say("add policy P"), (Some(12), false, "netsh ipsec static>", 1));
    assert_eq!(say("dynamic"), (None, false, "netsh ipsec dynamic>", 1));
    // A command behind its context leaves the prompt where it stands.
    assert_eq!(say("static add policy P"), (Some(19), false, "netsh ipsec dynamic>", 1));
    assert_eq!(say("static show store"), (None, false, "netsh ipsec dynamic>", 1));
    // Of several lines at once all are carried out or none.
    assert_eq!(say("static add policy Q\nadd policy Q").3, 1);
    assert_eq!(say(".."), (None, false, "netsh ipsec>", 1));
    assert_eq!(say(""), (None, false, "netsh ipsec>", 1));
    assert_eq!(say("bye"), (None, true, "netsh>", 1));
}

/// netsh's own commands and other contexts are no mistakes, from wherever they are given, and lead nowhere else.
#[test]
fn what_is_not_about_ipsec() {
    let script = "offline\nadd policy A\nset mode online\nipsec\ncommit\nstatic\nadd policy B\nonline\n\
                  interface ip show config\n..\nipsec static\nshow helper\nalias x ipsec\nadd policy C";
    let (stores, output) = with(&[], script).unwrap();
    assert_eq!(names(&stores), ["A", "B", "C"]);
    let notes: Vec<String> = output.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "1:1: note: no effect: every command about IPsec is carried out at once: offline",
            "3:1: note: no effect: every command about IPsec is carried out at once: set mode online",
            "5:1: note: no effect: every command about IPsec is carried out at once: commit",
            "8:1: note: no effect: every command about IPsec is carried out at once: online",
            "9:1: note: not about IPsec, not carried out: interface ip show config",
            "12:1: note: not about IPsec, not carried out: show helper",
            "13:1: note: not about IPsec, not carried out: alias x ipsec",
        ]
    );
    assert_eq!(with(&[], "ipsec static\nshow mode").unwrap().1.text, "online\n");
    let error = with(&[], "set machine SERVER").unwrap_err();
    assert_eq!((error.line, error.column), (1, 5));
    assert!(error.to_string().contains("other computers have stores of their own"), "{error}");
}

/// A dump is had in every context, and each context has its help.
#[test]
fn contexts_inherit_the_dump() {
    for place in ["", "ipsec ", "ipsec static ", "ipsec dynamic "] {
        let script = format!("ipsec static add policy P\n..\n..\n{place}dump\n{place}?");
        let (_, output) = with(&[], &script).unwrap();
        let (dump, help) = output.text.split_once("pushd ipsec dynamic\npopd\n").unwrap();
        assert!(dump.contains("add policy name=\"P\""), "{place}: {dump}");
        assert!(
            help.contains(if place.ends_with("ic ") { "Commands of netsh" } else { "dump" }),
            "{place}: {help}"
        );
        assert!(help.lines().all(|l| l.len() <= 79), "{help}");
    }
}

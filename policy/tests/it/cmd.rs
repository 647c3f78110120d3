//! What `cmd` does around netsh: numbers, questions, files that a script prints, pipes, programs by their place.

use ipsec_policy::netsh::{Error, Setting, run};
use ipsec_policy::{Store, Stores};

use crate::notes;

const P: &str = "netsh ipsec static add policy name=";

/// The policies and filters that a batch file makes, with what there is to say.
fn after(script: &str, answers: &[&str]) -> Result<(Store, String), Error> {
    let hosts = "add policy FromFile\nadd filterlist FromFile\n";
    let read = |name: &str| match name {
        "hosts.nsh" => Some(format!("ipsec static\n{hosts}").into_bytes()),
        "context.nsh" => Some(hosts.as_bytes().to_vec()),
        _ => None,
    };
    let setting = Setting { read: Some(&read), answers, ..Setting::default() };
    let mut stores = Stores::new();
    let output = run(&mut stores, "d\\s.bat", format!("@echo off\n{script}").as_bytes(), &setting)?;
    Ok((stores.local, notes(&output)))
}

fn policies(script: &str) -> Vec<String> {
    let (store, notes) = after(script, &[]).unwrap_or_else(|e| panic!("{script}: {e}"));
    assert_eq!(notes, "", "{script}");
    store.policies().iter().map(|p| p.name.clone()).collect()
}

#[test]
fn carried_out_without_a_word() {
    for (script, expected) in [
        // Numbers, and arrays made of variables.
        (format!("set /a n=2*3+1\n{P}%n%"), vec!["7"]),
        (format!("set n=1\nset /a n+=1\nset /a n=n*n\n{P}%n%"), vec!["4"]),
        (
            format!(
                "setlocal enabledelayedexpansion\nset n=0\nfor %%i in (A B) do (\n set /a n+=1\n set p[!n!]=%%i\n)\n\
                 for /l %%i in (%n%,-1,1) do {P}!p[%%i]!"
            ),
            vec!["B", "A"],
        ),
        // netsh by its place, and through other programs.
        ("%SystemRoot%\\system32\\netsh.exe ipsec static add policy A".to_owned(), vec!["A"]),
        ("\"%windir%\\system32\\netsh\" ipsec static add policy A".to_owned(), vec!["A"]),
        (format!("%comspec% /c {P}A\ncmd.exe /c \"{P}B\"\nC:\\WINDOWS\\system32\\cmd.exe /c {P}C"), vec!["A", "B", "C"]),
        (format!("start \"\" /wait /b {P}A\nstart /min {P}B\nstart \"a title\" {P}C"), vec!["A", "B", "C"]),
        (format!("set N=netsh ipsec static\n%N% add policy A\n{P}B"), vec!["A", "B"]),
        // Files that the script prints.
        (format!("echo ipsec static add policy A>%temp%\\x.nsh\nnetsh -f %temp%\\x.nsh\ndel /q %temp%\\x.nsh\n{P}B"), vec!["A", "B"]),
        (
            "(\necho pushd ipsec static\necho add policy A\n)>x.txt\n>>x.txt echo add policy B\necho popd >> X.TXT\nnetsh exec \"x.txt\"".to_owned(),
            vec!["A", "B"],
        ),
        (format!("echo A>l.txt\necho B>>l.txt\nfor /f %%i in (l.txt) do {P}%%i"), vec!["A", "B"]),
        (format!("echo A>l.txt\nfor /f %%i in ('type l.txt') do {P}%%i"), vec!["A"]),
        (format!("echo A>l.txt\nset /p x=<l.txt\n{P}%x%"), vec!["A"]),
        // What netsh reads from elsewhere.
        (
            "set T=%TEMP%\\p\nset F=%T%.nsh\necho ipsec static add policy A>\"%F%\"\nnetsh -f \"%F%\"\ndel %F%"
                .to_owned(),
            vec!["A"],
        ),
        ("netsh < hosts.nsh".to_owned(), vec!["FromFile"]),
        ("type hosts.nsh | netsh".to_owned(), vec!["FromFile"]),
        ("netsh -c \"ipsec static\" -f context.nsh".to_owned(), vec!["FromFile"]),
        ("echo ipsec static add policy A | netsh".to_owned(), vec!["A"]),
        ("(echo ipsec static& echo add policy A) | netsh".to_owned(), vec!["A"]),
        (format!("echo y | {P}A"), vec!["A"]),
        (format!("netsh -c \"ipsec static add policy A\"\ncls\n{P}B"), vec!["A", "B"]),
        // What stands behind a bracket is not lost.
        (format!("({P}A) >nul 2>&1 && {P}B"), vec!["A", "B"]),
        (format!("({P}A\n{P}B\n)>nul 2>nul& {P}C"), vec!["A", "B", "C"]),
        (format!("for /l %%i in (3,-1,1) do {P}%%i"), vec!["3", "2", "1"]),
        (format!("for /l %%i in (3,1,1) do {P}%%i\nfor /l %%i in (1 1 2) do {P}%%i"), vec!["1", "2"]),
    ] {
        assert_eq!(policies(&script), expected, "{script}");
    }
}

/// Whoever runs `netsh ipsec` is an administrator, and scripts ask for that in well-known ways.
#[test]
fn scripts_ask_for_an_administrator() {
    for ask in [
        "net session >nul 2>&1\nif %errorlevel% neq 0 (echo no & exit /b)",
        "fltmc >nul 2>&1 || (echo no & exit /b 1)",
        ">nul 2>&1 \"%SYSTEMROOT%\\system32\\cacls.exe\" \"%SYSTEMROOT%\\system32\\config\\system\"\n\
         if '%errorlevel%' NEQ '0' (goto no) else ( goto yes )\n:no\nexit /b\n:yes",
    ] {
        let (store, notes) = after(&format!("{ask}\n{P}A"), &[]).unwrap_or_else(|e| panic!("{ask}: {e}"));
        assert_eq!(store.policies().len(), 1, "{ask}");
        assert!(notes.contains("taken to succeed") && notes.lines().count() == 1, "{ask}: {notes}");
    }
}

const MENU: &str = "\
:menu
set /p c=1 to block, 2 to permit, 3 to leave:
if \"%c%\"==\"1\" goto block
if \"%c%\"==\"2\" goto permit
if \"%c%\"==\"3\" exit
goto menu
:block
netsh ipsec static add policy Block
goto menu
:permit
netsh ipsec static add policy Permit
goto menu
";

#[test]
fn answers_to_its_questions() {
    let made = |script: &str, answers: &[&str]| {
        after(script, answers).map(|(s, _)| s.policies().iter().map(|p| p.name.clone()).collect::<Vec<_>>())
    };
    assert_eq!(made(MENU, &["2", "1", "3"]).unwrap(), ["Permit", "Block"]);
    assert_eq!(made(MENU, &["9", "3"]).unwrap(), Vec::<String>::new());
    // Without an answer nothing is chosen, and the question is named.
    for answers in [&[][..], &["1"][..]] {
        let error = made(MENU, answers).unwrap_err();
        assert_eq!((error.line, error.column), (3, 1));
        assert!(error.kind.to_string().contains("asks `1 to block, 2 to permit, 3 to leave:`"), "{error}");
    }
    let choice = format!("choice /c xy /m \"which\"\nif errorlevel 2 goto y\n{P}X\ngoto :eof\n:y\n{P}Y");
    assert_eq!(made(&choice, &["y"]).unwrap(), ["Y"]);
    assert_eq!(made(&choice, &["X"]).unwrap(), ["X"]);
    assert!(made(&choice, &[]).unwrap_err().kind.to_string().contains("asks `choice /c xy"));
    // A time limit has its own answer.
    let timed = choice.replace("/c xy", "/c xy /t 10 /d y");
    assert_eq!(made(&timed, &[]).unwrap(), ["Y"]);
    assert_eq!(made(&timed, &["x"]).unwrap(), ["X"]);
    let name = format!("set n=default\nset /p \"n=name: \"\n{P}%n%");
    assert_eq!(made(&name, &[""]).unwrap(), ["default"]);
    assert_eq!(made(&name, &["mine"]).unwrap(), ["mine"]);
    let error = made(&name, &[]).unwrap_err();
    assert_eq!((error.line, error.column), (4, 36));
    assert!(error.kind.to_string().contains("the answer to `name:`"), "{error}");
}

/// Refused where it stands: nothing is guessed, and nothing runs for ever.
#[test]
fn refused_with_the_place() {
    for (script, place, why) in [
        ("if exist c:\\x (goto a) else goto b\n:a\n:b", (2, 4), "depends on the computer and decides"),
        (
            "for /l %%i in (1,1,1000000000) do netsh ipsec static add policy %%i",
            (2, 16),
            "has 1000000000 rounds",
        ),
        ("for /l %%i in (1,0,2) do netsh ipsec static add policy %%i", (2, 16), "the loop never ends"),
        (":a\ncall :a", (3, 1), "calls nest too deep"),
        ("netsh add policy A", (2, 7), "found `add`, expected ipsec static"),
        ("echo netsh>x\nnetsh -f gone.nsh", (3, 10), "there is no file `gone.nsh`"),
        (
            "set D=%~dp0\nset E=%D%x\nnetsh ipsec static add policy %E%",
            (4, 31),
            "value of `%E%` is not known",
        ),
        ("set /a n=%random%+1\nnetsh ipsec static add policy %n%", (3, 31), "value of `%n%` is not known"),
        ("echo add polcy A | netsh", (2, 20), "in the script called here:\nthe pipe:1:5"),
        ("echo exec x.nsh>x.nsh\nnetsh -f x.nsh", (3, 10), "calls nest too deep"),
    ] {
        let error = after(script, &[]).map(|(store, _)| store).expect_err(script);
        assert_eq!((error.line, error.column), place, "{script}: {error}");
        assert!(error.to_string().contains(why), "{script}: {error}");
    }
}

/// A round of a loop says what the one before said: once is enough.
#[test]
fn what_a_loop_says_is_said_once() {
    let (_, notes) = after("for /l %%i in (1,1,50) do ping -n 1 127.0.0.1", &[]).unwrap();
    assert_eq!(notes.lines().count(), 1, "{notes}");
}

/// In PowerShell a dollar sign begins a variable.
#[test]
fn powershell_variables_are_not_names() {
    let script = "$name = 'Web'\nnetsh ipsec static add policy name=\"$name\"";
    let mut stores = Stores::new();
    let error = run(&mut stores, "s.ps1", script.as_bytes(), &Setting::default()).unwrap_err();
    assert_eq!((error.line, error.column), (2, 37));
    assert!(error.kind.to_string().contains("`$name` is not known"), "{error}");
    run(&mut stores, "s.bat", script.as_bytes(), &Setting::default()).unwrap();
    assert_eq!(stores.local.policies()[0].name, "$name");
}

/// Lines that stand alone are carried out; what PowerShell works out, and texts for files, are named.
#[test]
fn powershell_lines_that_stand_alone() {
    let script = "# a remark\n<# netsh ipsec static add policy Remark\n#>\n\
        netsh ipsec static add policy name='50% of it' description=\"it's\"\n\
        & netsh ipsec static add policy `\n  name=Two\n\
        if ($x) {\n  netsh ipsec static add policy Three\n}\n\
        135 | % { netsh ipsec static add filterlist \"F\" }\n\
        @\"\nnetsh ipsec static add policy Four\n\"@ | Set-Content x.nsh\n\
        netsh ipsec static add policy Five | Out-Null";
    let mut stores = Stores::new();
    let output = run(&mut stores, "s.PS1", script.as_bytes(), &Setting::default()).unwrap();
    let names: Vec<_> = stores.local.policies().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["50% of it", "Two", "Five"]);
    assert_eq!(stores.local.policies()[0].description, "it's");
    assert!(stores.local.filter_lists().is_empty());
    let lines: Vec<u32> = output.notes.iter().map(|n| n.line).collect();
    assert_eq!(lines, [7, 8, 9, 10, 11, 12, 14], "{}", notes(&output));
}

/// `cmd` knows percent signs as variables, also with blanks in their names, and drops one that stands alone.
#[test]
fn percent_signs() {
    let (store, _) = after(&format!("{P}100%%\n{P}\"A%\""), &[]).unwrap();
    let names: Vec<_> = store.policies().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["100%", "A"]);
    let error = after("netsh ipsec static add policy \"50% of 100%\"", &[]).unwrap_err();
    assert_eq!((error.line, error.column), (2, 34));
    assert!(error.kind.to_string().contains("`% of 100%` is not known"), "{error}");
}

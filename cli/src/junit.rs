//! Checks as a JUnit document: one suite a report, one case a check.

use ipsec_scenarios::Report;

pub(crate) fn document(reports: &[&Report]) -> String {
    let mut xml =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ipseclab\">\n");
    for report in reports {
        let (held, all) = report.tally();
        let name = format!("{} seed {}", report.scenario, report.seed);
        xml += &format!(
            "  <testsuite name=\"{}\" tests=\"{all}\" failures=\"{}\">\n",
            escape(&name),
            all - held
        );
        for check in &report.checks {
            let case = match &check.run {
                Some(run) => format!("{run}/{}", check.id),
                None => check.id.clone(),
            };
            xml += &format!(
                "    <testcase classname=\"{}\" name=\"{}\"",
                escape(&report.scenario),
                escape(&case)
            );
            if check.held {
                xml += "/>\n";
            } else {
                let text = format!("{}\n{}\nReplay: {}", check.says, check.detail, report.replay);
                let (message, text) = (escape(&check.detail), escape(&text));
                xml +=
                    &format!(">\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>\n");
            }
        }
        xml += "  </testsuite>\n";
    }
    xml + "</testsuites>\n"
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_the_document() {
        assert_eq!(escape("a<b> & \"c\"\u{7}\n"), "a&lt;b&gt; &amp; &quot;c&quot; \n");
    }
}

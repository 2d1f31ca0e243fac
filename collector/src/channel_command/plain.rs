//! What became of a test, in plain words of the reader's language: what happened, what it means and what to do, and what
//! the other side said.

use super::TEST_TIMEOUT;
use tocsin_channels::{Advice, Built, Reached, Receipt, SendError, SendErrorKind, config::Kind};
use tocsin_console::backend::Failure;
use tocsin_vocabulary::{Code, Language, Text};

/// Says what became of a try; `tried` is none when it took too long.
pub(super) fn outcome(
    built: &Built,
    tried: Option<Result<Receipt, SendError>>,
    language: Language,
) -> Result<String, Failure> {
    let (name, kind, whereto) = (
        built.config.name(),
        built.config.kind.as_str(),
        built.config.kind.goes_to(),
    );
    let who = Text::new(
        format!("channel `{name}` ({kind} to {whereto})"),
        format!("渠道`{name}`（{kind}，发往{whereto}）"),
    );
    let who = who.get(language);
    match tried {
        Some(Ok(receipt)) => {
            let colon = Text::new(": ", "\u{ff1a}");
            let (taken, next) = (taken(&receipt, language), next(&built.config.kind, &receipt));
            let next = next.map_or_else(String::new, |next| format!("\n{}", next.get(language)));
            Ok(format!("{who}{}{taken}{next}", colon.get(language)))
        }
        Some(Err(error)) => Err(failed(who, &error, language)),
        None => {
            let seconds = TEST_TIMEOUT.as_secs();
            let what = Text::new(
                format!("no outcome within {seconds} s"),
                format!("{seconds}秒内没有结果"),
            );
            let advice = advice(Some(Advice::Silent), language);
            Err(Failure::new(
                Code::Unavailable,
                format!("{who}: {}{advice}", what.get(language)),
            ))
        }
    }
}

fn taken(receipt: &Receipt, language: Language) -> String {
    let (answer, reference) = (&receipt.answer, &receipt.reference);
    let named = if reference.is_empty() {
        Text::default()
    } else {
        Text::new(format!(" (it is called {reference})"), format!("（编号{reference}）"))
    };
    let what = match receipt.reached {
        Reached::Accepted => Text::new(
            format!("the message was taken: {answer}{}", named.en),
            format!("消息已被对方接收：{answer}{}", named.zh),
        ),
        Reached::Delivered => Text::new(
            format!("the message has arrived: {answer}{}", named.en),
            format!("消息已送达：{answer}{}", named.zh),
        ),
    };
    what.get(language).to_owned()
}

/// What is left to do after the other side took it: taken is not yet read.
fn next(kind: &Kind, receipt: &Receipt) -> Option<Text> {
    if receipt.reached == Reached::Delivered {
        return None;
    }
    let (en, zh) = match kind {
        Kind::Gammu(_) | Kind::GammuSql(_) | Kind::Smstools(_) => (
            "the modem's daemon sends it from there: look whether the phone has it",
            "已放入短信猫程序的队列，由它发出：请看手机是否收到",
        ),
        Kind::Kannel(_) | Kind::Smpp(_) | Kind::Cmpp(_) | Kind::Gateway(_) => {
            ("look whether the phone has it", "请看手机是否收到")
        }
        Kind::Dingtalk(_) | Kind::Wecom(_) | Kind::Feishu(_) => ("look whether it stands in the chat", "请在群里核对"),
        Kind::Mail(_) => (
            "the mail server has it: look into the mailbox, and among what was sorted out",
            "邮件服务器已收下：请查看收件箱和垃圾邮件箱",
        ),
        Kind::SnmpTrap(_) | Kind::Syslog(_) => (
            "nothing answers on this way, so it proves no arrival: look for it at the receiver",
            "这种方式没有应答，不能证明送达：请在接收端核对",
        ),
        Kind::Ntfy(_) | Kind::Gotify(_) => ("look whether the app rings", "请看手机应用是否响铃"),
        Kind::Webhook(_) | Kind::Asterisk(_) => return None,
    };
    Some(Text::new(en, zh))
}

fn failed(who: &str, error: &SendError, language: Language) -> Failure {
    let (code, what) = match error.kind {
        SendErrorKind::Permanent => (
            Code::FailedPrecondition,
            Text::new(
                "the message was refused, and will always be",
                "消息被拒绝，不改配置再试也不会成功",
            ),
        ),
        SendErrorKind::Temporary => (
            Code::Unavailable,
            Text::new(
                "the message was not taken; it may be later",
                "消息未被接收，稍后可能成功",
            ),
        ),
        SendErrorKind::Unknown => (
            Code::Unavailable,
            Text::new("nobody knows whether the message arrived", "不知道消息是否送达"),
        ),
    };
    let said = match language {
        Language::English => format!("{who}: {}: {}", what.en, error.reason),
        Language::Chinese => format!("{who}：{}\n原始信息：{}", what.zh, error.reason),
    };
    Failure::new(code, format!("{said}{}", advice(error.advice, language)))
}

/// A line of its own; empty where nothing is known.
fn advice(advice: Option<Advice>, language: Language) -> String {
    advice.map_or_else(String::new, |advice| {
        let text = advice.text();
        match language {
            Language::English => format!("\nwhat it means: {}", text.en),
            Language::Chinese => format!("\n含义与处理：{}", text.zh),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn built() -> Built {
        let config = "[[channel]]\nname = \"modem\"\nkind = \"gammu\"\n";
        let config = Config::parse("collector.toml", config).unwrap();
        config.build_channels().unwrap().remove("modem").unwrap()
    }

    #[test]
    fn both_languages_say_what_happened_what_it_means_and_what_was_said() {
        let refused = || SendError::temporary("cannot reach 127.0.0.1:9: refused").meaning(Advice::Closed);
        let said = |language| outcome(&built(), Some(Err(refused())), language).unwrap_err();
        let en = said(Language::English);
        assert_eq!(en.code, Code::Unavailable);
        assert!(
            en.reason.contains("not taken")
                && en.reason.contains("nobody listens")
                && en.reason.contains("127.0.0.1:9"),
            "{}",
            en.reason
        );
        let zh = said(Language::Chinese).reason;
        assert!(
            zh.contains("未被接收") && zh.contains("无人监听") && zh.contains("127.0.0.1:9"),
            "{zh}"
        );
    }

    #[test]
    fn a_message_that_was_taken_and_one_that_took_too_long_are_told_apart() {
        let taken = outcome(&built(), Some(Ok(Receipt::taken("in the spool"))), Language::Chinese).unwrap();
        assert!(taken.contains("\u{ff1a}消息已被对方接收"), "{taken}");
        assert!(taken.contains("请看手机是否收到"), "{taken}");
        let slow = outcome(&built(), None, Language::English).unwrap_err();
        assert!(slow.reason.contains("no outcome within 60 s"), "{}", slow.reason);
    }
}

//! `channel drill report`: whom each channel reached in the last drill, and whom nothing reached.

use super::{ChannelAsk, finish};
use crate::{
    cli,
    control::{self, Answer, Ask},
};
use std::{fmt::Write as _, path::Path, process::ExitCode};
use tocsin_console::backend::Failure;
use tocsin_desk::delivery::{DeliveryState, DrillReport};
use tocsin_vocabulary::{Code, Language};

/// Prints the report. Exit status: 0 everybody was reached; 1 somebody was not; 3 there was no drill.
pub(super) async fn report(socket: &Path, as_json: bool) -> ExitCode {
    let answer = match control::ask(socket, &Ask::Channel(ChannelAsk::DrillReport)).await {
        Ok(Answer::Done(value)) => value,
        Ok(Answer::Failed { code, reason }) => return finish(Err(Failure::new(code, reason))),
        Err(reason) => return finish(Err(Failure::new(Code::Unavailable, reason))),
    };
    let report: Option<DrillReport> = match serde_json::from_value(answer.clone()) {
        Ok(report) => report,
        Err(error) => return finish(Err(Failure::new(Code::Internal, error.to_string()))),
    };
    let Some(report) = report else {
        let reason = "there was no drill yet: `tocsin-collector channel drill` begins one";
        return finish(Err(Failure::new(Code::NotFound, reason)));
    };
    let said = if as_json {
        answer.to_string()
    } else {
        words(&report, cli::language())
    };
    let printed = cli::print(&said);
    if report.unreached().is_empty() {
        printed
    } else {
        ExitCode::FAILURE
    }
}

/// The report as people read it.
fn words(report: &DrillReport, language: Language) -> String {
    let is_chinese = language == Language::Chinese;
    let [arrived, taken, all] = report.counts();
    let mut out = if is_chinese {
        format!(
            "{} 渠道演练：共{all}条，对方已接收{taken}条，其中确认送达{arrived}条",
            report.at
        )
    } else {
        format!(
            "drill of the channels of {}: {all} pages, {taken} taken, {arrived} of them known to have arrived",
            report.at
        )
    };
    for row in &report.rows {
        let person = format!("{} ({})", row.name, row.login);
        let at = row.at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let state = state_word(row.state, is_chinese);
        let _ = write!(
            out,
            "\n{person:<24}{:<18}{state:<12}{at:<26}{}",
            row.channel, row.detail
        );
    }
    let unreached = report.unreached().join(", ");
    let last = match (unreached.is_empty(), is_chinese) {
        (true, true) => "所有人员的消息至少有一个渠道接收".to_owned(),
        (true, false) => "at least one channel took everybody's page".to_owned(),
        (false, true) => format!("没有任何渠道可达的人员：{unreached}"),
        (false, false) => format!("reached by no channel: {unreached}"),
    };
    let _ = write!(out, "\n{last}");
    let unproven = report.unproven().join(", ");
    let _ = match (unproven.is_empty(), is_chinese) {
        (true, _) => Ok(()),
        (false, true) => write!(out, "\n没有送达回执\u{ff0c}请当面确认\u{ff1a}{unproven}"),
        (false, false) => write!(out, "\nno receipt says that it arrived, so ask them: {unproven}"),
    };
    out
}

const fn state_word(state: DeliveryState, is_chinese: bool) -> &'static str {
    if !is_chinese {
        return state.as_str();
    }
    match state {
        DeliveryState::Pending => "待发",
        DeliveryState::Sending => "发送中",
        DeliveryState::Accepted => "已接收",
        DeliveryState::Delivered => "已送达",
        DeliveryState::Read => "已读",
        DeliveryState::Failed => "失败",
        DeliveryState::Unknown => "未知",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_desk::delivery::DrillRow;
    use tocsin_vocabulary::Timestamp;

    fn row(login: &str, channel: &str, state: DeliveryState) -> DrillRow {
        DrillRow {
            login: login.to_owned(),
            name: login.to_owned(),
            channel: channel.to_owned(),
            state,
            at: None,
            detail: "x has no phone number".to_owned(),
        }
    }

    #[test]
    fn a_report_counts_what_arrived_and_names_whom_nothing_reached() {
        let report = DrillReport {
            at: Timestamp::from_millis(1_790_000_000_000),
            rows: vec![
                row("li", "modem", DeliveryState::Failed),
                row("li", "robot", DeliveryState::Unknown),
                row("wang", "modem", DeliveryState::Delivered),
                row("wang", "robot", DeliveryState::Accepted),
                row("zhao", "robot", DeliveryState::Accepted),
            ],
        };
        let en = words(&report, Language::English);
        assert!(
            en.contains("5 pages, 3 taken, 1 of them") && en.contains("reached by no channel: li\n"),
            "{en}"
        );
        assert!(en.contains("has no phone number"), "{en}");
        assert!(en.ends_with("ask them: zhao"), "{en}");
        let zh = words(&report, Language::Chinese);
        assert!(
            zh.contains("共5条") && zh.contains("没有任何渠道可达的人员：li\n"),
            "{zh}"
        );
    }
}

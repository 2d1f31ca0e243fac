//! Robots of DingTalk, WeCom and Feishu: a text into a group's chat. They give no receipt and take no answer, so they are a
//! side channel and never the only one.
//!
//! | | address | signature | success | text at most |
//! |---|---|---|---|---|
//! | DingTalk | `/robot/send?access_token=T&timestamp=MS&sign=S` | base64(HMAC-SHA256(secret, `MS\nsecret`)) in the query | `errcode` 0 | 20 000 bytes |
//! | WeCom | `/cgi-bin/webhook/send?key=K` | none | `errcode` 0 | 2 048 bytes |
//! | Feishu | `/open-apis/bot/v2/hook/T` | base64(HMAC-SHA256(`s\nsecret`, nothing)), seconds, in the body | `code` 0 | 20 000 bytes |
//!
//! An HTTP status says nothing: a refusal comes with 200, so only the provider's own code counts. DingTalk bans a robot for
//! ten minutes after 20 messages in a minute; the channel then rests so long.

use crate::{
    advice::Advice,
    channel::{Channel, Envelope, Receipt, SendError},
    config::Common,
    http::{self, Server, TIMEOUT},
    secret::{Secret, SecretText},
    wording::{self, Style},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{path::PathBuf, time::Duration};
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;

/// How long DingTalk bans a robot that was too fast.
const DINGTALK_BAN: Duration = Duration::from_secs(600);
/// How long to rest when WeCom or Feishu say that it was too fast.
const PAUSE: Duration = Duration::from_secs(60);

/// Whose robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brand {
    /// 钉钉.
    Dingtalk,
    /// 企业微信.
    Wecom,
    /// 飞书.
    Feishu,
}

impl Brand {
    const fn url(self) -> &'static str {
        match self {
            Self::Dingtalk => "https://oapi.dingtalk.com/robot/send",
            Self::Wecom => "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
            Self::Feishu => "https://open.feishu.cn/open-apis/bot/v2/hook",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dingtalk => "dingtalk",
            Self::Wecom => "wecom",
            Self::Feishu => "feishu",
        }
    }

    /// Longest text, in bytes: the limit of the body less what stands around it.
    const fn text_bytes_max(self) -> usize {
        match self {
            Self::Dingtalk | Self::Feishu => 19_000,
            Self::Wecom => 2_048,
        }
    }
}

/// `kind = "dingtalk"`, `"wecom"` or `"feishu"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotConfig {
    /// File with the robot's token: what follows `access_token=`, `key=` or `/hook/` in its address.
    pub token_file: PathBuf,
    /// File with the secret that signs; WeCom has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The provider's address without the token, where it is not the public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether the person paged is mentioned by phone number, so that their phone rings.
    #[serde(default = "yes")]
    pub mention: bool,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Allows `http://` to other machines.
    #[serde(default)]
    pub insecure: bool,
}

pub(crate) const fn yes() -> bool {
    true
}

impl RobotConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        if let Some(url) = &self.url {
            http::url_mistakes(url, self.insecure, mistakes);
        }
    }

    pub(crate) fn host(&self, public: &str) -> String {
        http::host_of(self.url.as_deref().unwrap_or(public))
    }
}

/// A robot in a group's chat.
pub struct Robot {
    brand: Brand,
    server: Server,
    token: SecretText,
    secret: Option<Secret>,
    mention: bool,
    style: Style,
}

impl Robot {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(brand: Brand, config: &RobotConfig, common: &Common) -> Result<Self, String> {
        let token = Secret::read_text(&config.token_file)?;
        let base = config.url.as_deref().unwrap_or(brand.url());
        let url = match brand {
            Brand::Feishu => format!("{}/{}", base.trim_end_matches('/'), token.as_str()),
            Brand::Dingtalk | Brand::Wecom => base.to_owned(),
        };
        // An address that can't be parsed must not show the token in it.
        let server = Server::new(
            &url,
            config.ca_file.as_deref(),
            http::guard_for(&url, &common.networks()),
            TIMEOUT,
        )
        .map_err(|error| token.hide(&error))?;
        if brand == Brand::Wecom && config.secret_file.is_some() {
            return Err("`secret_file`: robots of WeCom do not sign, leave it out".to_owned());
        }
        Ok(Self {
            brand,
            server,
            token,
            secret: config.secret_file.as_deref().map(Secret::read).transpose()?,
            mention: config.mention,
            style: Style::long(common),
        })
    }

    fn text(&self, envelope: &Envelope, now: Timestamp) -> String {
        cut_bytes(&self.style.message(envelope, now), self.brand.text_bytes_max())
    }

    fn body(&self, envelope: &Envelope, now: Timestamp) -> Value {
        let text = self.text(envelope, now);
        let mobile: Vec<&str> = if self.mention && !envelope.person.phone.is_empty() {
            vec![envelope.person.phone.as_str()]
        } else {
            Vec::new()
        };
        match self.brand {
            Brand::Dingtalk => json!({
                "msgtype": "text", "text": { "content": text },
                "at": { "atMobiles": mobile, "atUserIds": [], "isAtAll": false },
            }),
            Brand::Wecom => json!({
                "msgtype": "text",
                "text": { "content": text, "mentioned_list": [], "mentioned_mobile_list": mobile },
            }),
            Brand::Feishu => {
                let mut body = json!({ "msg_type": "text", "content": { "text": text } });
                if let Some(secret) = &self.secret {
                    let seconds = now.as_millis().div_euclid(1_000);
                    body["timestamp"] = seconds.to_string().into();
                    body["sign"] = feishu_sign(seconds, secret.bytes()).into();
                }
                body
            }
        }
    }
}

#[async_trait]
impl Channel for Robot {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let millis = now.as_millis();
        let (timestamp, sign);
        let mut parameters = match self.brand {
            Brand::Dingtalk => vec![("access_token", self.token.as_str())],
            Brand::Wecom => vec![("key", self.token.as_str())],
            Brand::Feishu => Vec::new(),
        };
        if let (Brand::Dingtalk, Some(secret)) = (self.brand, &self.secret) {
            timestamp = millis.to_string();
            sign = dingtalk_sign(millis, secret.bytes());
            parameters.extend([("timestamp", timestamp.as_str()), ("sign", sign.as_str())]);
        }
        let request = self.server.post(&parameters).json(&self.body(envelope, now));
        let answered = self.server.ask(request).await.map_err(|error| SendError {
            reason: self.token.hide(&error.reason),
            ..error
        })?;
        judge(self.brand, &answered).map_err(|error| SendError {
            reason: self.token.hide(&error.reason),
            ..error
        })
    }

    fn address(&self, _person: &Person) -> Option<String> {
        // One chat, whoever is meant.
        Some(String::new())
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.text(envelope, envelope.page.created_at)]
    }
}

/// DingTalk's signature: HMAC-SHA256 over `MS\nsecret` with the secret as key. The query encodes it.
fn dingtalk_sign(millis: i64, secret: &[u8]) -> String {
    let mut message = format!("{millis}\n").into_bytes();
    message.extend_from_slice(secret);
    hmac_base64(secret, &message)
}

/// Feishu's signature: HMAC-SHA256 over nothing, with `SECONDS\nsecret` as key.
fn feishu_sign(seconds: i64, secret: &[u8]) -> String {
    let mut key = format!("{seconds}\n").into_bytes();
    key.extend_from_slice(secret);
    hmac_base64(&key, b"")
}

fn hmac_base64(key: &[u8], message: &[u8]) -> String {
    // HMAC takes keys of any length.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(message);
            STANDARD.encode(mac.finalize().into_bytes())
        },
    )
}

/// What an answer means: the provider's own code decides, whatever the HTTP status.
fn judge(brand: Brand, answered: &http::Answered) -> Result<Receipt, SendError> {
    let answer = answered.json();
    let name = brand.name();
    let code = match brand {
        Brand::Dingtalk | Brand::Wecom => answer.get("errcode"),
        Brand::Feishu => answer.get("code").or_else(|| answer.get("StatusCode")),
    };
    let Some(code) = code.and_then(Value::as_i64) else {
        http::judge(name, answered)?;
        let remedy = "no code of success in its answer: is this the robot's address?";
        return Err(answered.strange(format!("{name}: {remedy}")));
    };
    if code == 0 {
        return Ok(Receipt::taken(format!("{name}: code 0")));
    }
    let said = ["errmsg", "msg", "StatusMessage"]
        .iter()
        .find_map(|key| answer.get(key)?.as_str())
        .map(wording::one_line)
        .unwrap_or_default();
    let reason = format!("{name} refused with code {code}: {said}");
    let error = match (brand, code) {
        (Brand::Dingtalk, 130_101 | 90_030) => {
            SendError::temporary(format!("{reason}; too fast, banned for ten minutes")).after(DINGTALK_BAN)
        }
        (Brand::Dingtalk, -1) | (Brand::Wecom, -1) => SendError::temporary(format!("{reason}; busy")),
        (Brand::Wecom, 45_009) | (Brand::Feishu, 11_232) => {
            SendError::temporary(format!("{reason}; too fast")).after(PAUSE)
        }
        (Brand::Feishu, 9_499) if said.contains("too many") => {
            SendError::temporary(format!("{reason}; too fast")).after(PAUSE)
        }
        (Brand::Dingtalk, 310_000) => SendError::permanent(format!(
            "{reason}; check secret_file, keyword and allowed addresses of the robot"
        )),
        (Brand::Wecom, 93_000) | (Brand::Feishu, 19_001) => {
            SendError::permanent(format!("{reason}; the token in token_file is not a robot's"))
        }
        (Brand::Feishu, 19_021) => SendError::permanent(format!(
            "{reason}; check secret_file, and this machine's clock: it may differ by an hour at most"
        )),
        (Brand::Feishu, 19_022 | 19_024) => {
            SendError::permanent(format!("{reason}; check keyword and allowed addresses of the robot"))
        }
        _ => SendError::permanent(reason),
    };
    Err(error.meaning(meaning(brand, code, &said)))
}

/// What a provider's code means.
fn meaning(brand: Brand, code: i64, said: &str) -> Option<Advice> {
    Some(match (brand, code) {
        (Brand::Dingtalk, 130_101 | 90_030) | (Brand::Wecom, 45_009) | (Brand::Feishu, 11_232) => Advice::Pace,
        (Brand::Feishu, 9_499) if said.contains("too many") => Advice::Pace,
        (Brand::Dingtalk | Brand::Wecom, -1) => Advice::Trouble,
        (Brand::Dingtalk, 460_101) => Advice::TooLong,
        // One code for signature, keyword and address: the provider's words tell them apart.
        (Brand::Dingtalk, 310_000) if said.contains("sign") || said.contains("timestamp") => Advice::SecretOrClock,
        (Brand::Dingtalk, 310_000) | (Brand::Feishu, 19_022 | 19_024) => Advice::Registered,
        (Brand::Feishu, 19_021) => Advice::SecretOrClock,
        (Brand::Dingtalk, 300_001) | (Brand::Wecom, 93_000) | (Brand::Feishu, 19_001) => Advice::Secret,
        _ => return None,
    })
}

/// A text cut to so many bytes at a character's border.
pub(crate) fn cut_bytes(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests;

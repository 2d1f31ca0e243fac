//! What a failed try means and what to do about it, in plain words of both languages: what [`SendError::advice`] bears, and
//! `channel test` prints. Errors themselves are English, for the log.
//!
//! Causes are found in what really failed (a name, a connection, a certificate), not in the words of an error; what a
//! provider's code means stands beside its channel.
//!
//! [`SendError::advice`]: crate::SendError::advice

use crate::channel::SendError;
use rustls::CertificateError;
use std::{error::Error, io::ErrorKind};
use tocsin_vocabulary::Text;

/// What a failed try means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// The server's name has no address.
    Name,
    /// The server's address is not allowed.
    Forbidden,
    /// Nobody listens there.
    Closed,
    /// No answer.
    Silent,
    /// The network has no way there.
    NoWay,
    /// The certificate comes from an authority that is not trusted.
    Authority,
    /// The certificate is of another name.
    OtherName,
    /// The certificate's time is over, or has not begun.
    Expired,
    /// The server does not speak TLS on this port.
    NoTls,
    /// TLS failed otherwise.
    Tls,
    /// Name, password, token or signature are wrong.
    Secret,
    /// Signature or clock are wrong.
    SecretOrClock,
    /// The provider does not let this machine's address in, or misses its keyword.
    Registered,
    /// Too fast.
    Pace,
    /// The other side is in trouble itself.
    Trouble,
    /// The address leads to something else.
    Elsewhere,
    /// The answer broke off.
    CutOff,
    /// The answer is not what the configuration calls success.
    NoSuccess,
    /// The text is too long.
    TooLong,
    /// The receiver is refused or cannot be reached.
    Receiver,
    /// The person has no number or address.
    NoContact,
    /// Money or messages are used up.
    Credit,
    /// The sender is refused.
    Sender,
    /// The folder or database of the modem's daemon cannot be used.
    Spool,
}

impl Advice {
    /// Every one of them.
    pub const ALL: [Self; 24] = [
        Self::Name,
        Self::Forbidden,
        Self::Closed,
        Self::Silent,
        Self::NoWay,
        Self::Authority,
        Self::OtherName,
        Self::Expired,
        Self::NoTls,
        Self::Tls,
        Self::Secret,
        Self::SecretOrClock,
        Self::Registered,
        Self::Pace,
        Self::Trouble,
        Self::Elsewhere,
        Self::CutOff,
        Self::NoSuccess,
        Self::TooLong,
        Self::Receiver,
        Self::NoContact,
        Self::Credit,
        Self::Sender,
        Self::Spool,
    ];

    /// What it means and what to do.
    #[must_use]
    pub fn text(self) -> Text {
        let (en, zh) = match self {
            Self::Name => (
                "the server's name could not be resolved: check its spelling, and this machine's DNS (/etc/resolv.conf), or write its address instead",
                "服务器名称无法解析：请检查名称拼写和本机DNS（/etc/resolv.conf），或改写为IP地址",
            ),
            Self::Forbidden => (
                "this channel may not reach that address: widen `allow`, or correct the server's name",
                "该渠道不允许访问此地址：请放宽`allow`或更正服务器名称",
            ),
            Self::Closed => (
                "the machine is there, but nobody listens on that port: is the service running, is the port right, does a firewall refuse?",
                "主机可达，但该端口无人监听（连接被拒绝）：请检查服务是否运行，端口是否正确，防火墙是否拒绝",
            ),
            Self::Silent => (
                "nothing answered in time: is the machine up, does a firewall drop packets, is the service stuck?",
                "在时限内没有应答：请检查主机是否开机，防火墙是否丢包，服务是否卡死",
            ),
            Self::NoWay => (
                "the network has no way to that machine: check cable, gateway and routes",
                "网络不可达：请检查网线、网关和路由",
            ),
            Self::Authority => (
                "the server's certificate is signed by an authority that is not trusted: put that authority's certificate into a file and name it in `ca_file`",
                "服务器证书不是由受信任的CA签发：请把签发该证书的CA证书存为文件，并在`ca_file`中写明",
            ),
            Self::OtherName => (
                "the server's certificate is made out to another name: use the name that is in the certificate",
                "服务器证书上的名称与所配置的不符：请使用证书中的名称",
            ),
            Self::Expired => (
                "the server's certificate is past its time or not yet valid: have it renewed, and check this machine's clock",
                "服务器证书已过期或尚未生效：请更新证书，并检查本机时钟",
            ),
            Self::NoTls => (
                "the server does not speak TLS on this port: check port and security",
                "该端口不是TLS：请检查端口和加密方式",
            ),
            Self::Tls => ("no encrypted connection could be made", "无法建立加密连接"),
            Self::Secret => (
                "the other side does not accept name, password, token or signature: check the secret's file",
                "对方不认可用户名、密码、令牌或签名：请检查密钥文件",
            ),
            Self::SecretOrClock => (
                "the signature is not accepted: check the secret's file and this machine's clock, which may differ by an hour at most",
                "签名校验未通过：请检查密钥文件和本机时钟（误差不得超过1小时）",
            ),
            Self::Registered => (
                "the provider's own settings refuse the message: check the keyword and the allowed addresses of the robot or account",
                "对方的安全设置拒绝了消息：请检查机器人或账号的关键词和IP白名单",
            ),
            Self::Pace => (
                "sent too fast: the channel rests and goes on by itself; lower `per_minute` if it happens often",
                "发送过快被限流：渠道将暂停后自动继续；若经常发生请调低`per_minute`",
            ),
            Self::Trouble => (
                "the other side is in trouble itself, or busy: it is tried again; ask its operator if it lasts",
                "对方自身故障或繁忙：会自动重试；若持续请联系其运维",
            ),
            Self::Elsewhere => (
                "something else answers at this address: check address, path and port",
                "该地址上应答的是别的服务：请检查地址、路径和端口",
            ),
            Self::CutOff => (
                "the connection broke off before the answer was whole: the service may have been restarted, or something else listens on that port; the message may have arrived",
                "应答未收全连接就断开：对方服务可能刚重启，或该端口上是别的服务；消息可能已送达",
            ),
            Self::NoSuccess => (
                "the provider answered, but not with what `success` asks for: look its words up in its documentation (account, template, signature), or correct `success`",
                "对方有应答，但不含`success`要求的内容：请按应答原文查阅其文档（账号、模板、签名），或更正`success`",
            ),
            Self::TooLong => (
                "the text is too long for the other side: shorten the template",
                "消息过长：请缩短模板",
            ),
            Self::Receiver => (
                "the receiver is refused or cannot be reached: check the person's number or address",
                "接收方被拒绝或不可达：请检查该人员的号码或地址",
            ),
            Self::NoContact => (
                "the person has no usable number or address: set it with `tocsin-collector user contact`",
                "该人员没有可用的号码或邮箱：请用`tocsin-collector user contact`设置",
            ),
            Self::Credit => (
                "the account's money or messages are used up: top it up",
                "账户余额或条数不足：请充值",
            ),
            Self::Sender => (
                "the sender or the registered signature is refused: check `source`, `from` or `signature` with the provider",
                "发送方号码或已报备的签名被拒绝：请与运营商核对`source`、`from`或`signature`",
            ),
            Self::Spool => (
                "what the modem's daemon reads could not be written: check that the paths are those of its own configuration and that the collector's user may write there",
                "无法写入短信猫程序的队列：请核对路径与其配置一致，且采集中心用户有写权限",
            ),
        };
        Text::new(en, zh)
    }

    /// What an HTTP status means; none: nothing that is known.
    pub(crate) const fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            300..=399 | 404 | 405 | 410 => Self::Elsewhere,
            401 | 403 | 407 => Self::Secret,
            402 => Self::Credit,
            413 | 414 => Self::TooLong,
            429 => Self::Pace,
            408 | 500..=599 => Self::Trouble,
            _ => return None,
        })
    }
}

/// What an error of the network means, by what lies at its bottom.
pub(crate) fn of_error(error: &(dyn Error + 'static)) -> Option<Advice> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<SendError>() {
            return error.advice;
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(of_tls(error));
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            // What an I/O error wraps is not among its sources.
            let wrapped = error.get_ref().and_then(|wrapped| of_error(wrapped));
            if let Some(advice) = wrapped.or_else(|| of_io(error.kind())) {
                return Some(advice);
            }
        }
        next = error.source();
    }
    None
}

/// What an error of a connection means.
pub(crate) const fn of_io(kind: ErrorKind) -> Option<Advice> {
    Some(match kind {
        ErrorKind::ConnectionRefused => Advice::Closed,
        ErrorKind::TimedOut => Advice::Silent,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Advice::NoWay,
        _ => return None,
    })
}

fn of_tls(error: &rustls::Error) -> Advice {
    match error {
        rustls::Error::InvalidCertificate(mistake) => match mistake {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Advice::Authority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Advice::OtherName,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Advice::Expired,
            _ => Advice::Tls,
        },
        rustls::Error::InvalidMessage(_) => Advice::NoTls,
        _ => Advice::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advice_says_something_of_its_own_in_both_languages() {
        let mut seen = std::collections::HashSet::new();
        for advice in Advice::ALL {
            let text = advice.text();
            assert!(text.en.is_ascii() && !text.zh.is_ascii(), "{advice:?}");
            assert!(seen.insert(text.en) && seen.insert(text.zh), "{advice:?}");
        }
    }

    #[test]
    fn what_an_error_wraps_is_found_at_its_bottom() {
        let authority = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::other(std::io::Error::other(authority));
        assert_eq!(of_error(&wrapped), Some(Advice::Authority));
        assert_eq!(
            of_error(&std::io::Error::from(ErrorKind::ConnectionRefused)),
            Some(Advice::Closed)
        );
        assert_eq!(of_error(&std::io::Error::other("?")), None);
    }
}

//! The signed links that pages carry: `/p/{token}`.
//!
//! token = base64url(page id, 16 bytes ‖ HMAC-SHA256(key, "page-link" ‖ page id) cut to 16 bytes), without padding. A page
//! goes to one person about one ticket, so its link speaks for that person and for nothing but that ticket.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tocsin_vocabulary::PageId;

const ID_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// Longest token that is looked at; a good one has 43 characters.
const TOKEN_CHARS_MAX: usize = 64;

fn mac(key: &[u8; 32], id: &[u8; ID_BYTES]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(b"page-link");
    mac.update(id);
    Some(mac)
}

/// The token of a page's link, 43 characters of the URL-safe alphabet.
#[must_use]
pub fn token(key: &[u8; 32], page: PageId) -> String {
    let mut bytes = page.as_bytes().to_vec();
    // An HMAC takes keys of any length, so there always is a tag.
    if let Some(mac) = mac(key, page.as_bytes()) {
        bytes.extend_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The path of a page's link below the console's address.
#[must_use]
pub fn path(key: &[u8; 32], page: PageId) -> String {
    format!("/p/{}", token(key, page))
}

/// The page whose link this is; none when anything about the token is wrong. Compares in constant time.
#[must_use]
pub fn open(key: &[u8; 32], token: &str) -> Option<PageId> {
    if token.len() > TOKEN_CHARS_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let id: [u8; ID_BYTES] = bytes.get(..ID_BYTES)?.try_into().ok()?;
    let tag = bytes.get(ID_BYTES..).filter(|tag| tag.len() == TAG_BYTES)?;
    mac(key, &id)?.verify_truncated_left(tag).ok()?;
    Some(PageId::from_bytes(id))
}

/// The tag of a roster's calendar link, which a phone fetches without signing in: HMAC-SHA256(key, "calendar" ‖ name) cut
/// to 16 bytes. It shows that roster's shifts and nothing else.
#[must_use]
pub fn calendar_tag(key: &[u8; 32], roster: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(b"calendar");
    mac.update(roster.as_bytes());
    URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..TAG_BYTES])
}

/// Whether a tag is that of this roster's calendar. Compares in constant time.
#[must_use]
pub fn is_calendar_tag(key: &[u8; 32], roster: &str, tag: &str) -> bool {
    let (Ok(mut mac), Ok(tag)) = (Hmac::<Sha256>::new_from_slice(key), URL_SAFE_NO_PAD.decode(tag)) else {
        return false;
    };
    mac.update(b"calendar");
    mac.update(roster.as_bytes());
    tag.len() == TAG_BYTES && mac.verify_truncated_left(&tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_calendars_tag_opens_its_own_roster_only() {
        let tag = calendar_tag(&[7; 32], "room");
        assert!(is_calendar_tag(&[7; 32], "room", &tag));
        assert!(!is_calendar_tag(&[7; 32], "other", &tag));
        assert!(!is_calendar_tag(&[8; 32], "room", &tag));
        assert!(!is_calendar_tag(&[7; 32], "room", ""));
    }

    proptest! {
        #[test]
        fn a_link_opens_its_own_page_only(id: [u8; 16], key: [u8; 32], flip in 0usize..32) {
            let page = PageId::from_bytes(id);
            let good = token(&key, page);
            prop_assert_eq!(good.len(), 43);
            prop_assert_eq!(open(&key, &good), Some(page));
            let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
            bytes[flip] ^= 1;
            prop_assert_eq!(open(&key, &URL_SAFE_NO_PAD.encode(bytes)), None);
            let mut other = key;
            other[0] ^= 1;
            prop_assert_eq!(open(&other, &good), None);
        }
    }

    #[test]
    fn any_text_is_a_link_or_nothing() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(open(&[7; 32], &text), None);
        });
    }
}

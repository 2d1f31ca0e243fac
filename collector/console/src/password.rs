//! How passwords are kept and checked: Argon2id, 19 MiB, two passes (OWASP's figures), as a PHC string.

use crate::backend::Failure;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tocsin_vocabulary::Code;
use tokio::sync::Semaphore;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Longest password that is looked at, in bytes: hashing must not become a way to keep us busy.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Shortest password that may be set, in characters.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Checks at the same time: each takes 19 MiB and a core.
const CHECKS_AT_ONCE: usize = 2;
/// Checks that wait for their turn; more are turned away.
const CHECKS_WAITING: usize = 32;

static RUNNING: Semaphore = Semaphore::const_new(CHECKS_AT_ONCE);
static ADMITTED: Semaphore = Semaphore::const_new(CHECKS_AT_ONCE + CHECKS_WAITING);

/// A hash that no password has, of the same cost: checked for an unknown login, so that time tells nothing.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LWF0LWFsbA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn argon2() -> Result<Argon2<'static>, Failure> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| Failure::new(Code::Internal, format!("argon2 parameters: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The PHC string to keep for a password, made with 16 random bytes of salt. Takes tens of milliseconds.
///
/// # Errors
/// When the password is too short or too long, in words for whoever chose it.
pub fn hash_password(password: &str, salt: &[u8; 16]) -> Result<String, Failure> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        let reason = format!(
            "password must have at least {PASSWORD_CHARS_MIN} characters and at most {PASSWORD_BYTES_MAX} bytes"
        );
        return Err(Failure::new(Code::InvalidInput, reason));
    }
    let hash = argon2()?
        .hash_password_with_salt(password.as_bytes(), salt)
        .map_err(|error| Failure::new(Code::Internal, format!("hash password: {error}")))?;
    Ok(hash.to_string())
}

/// Fewest and most digits of a PIN.
const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=12;

/// The PHC string to keep for a PIN, made with 16 random bytes of salt. Takes tens of milliseconds. A PIN signs on a
/// screen where somebody is signed in already; it opens no door by itself.
///
/// # Errors
/// When it is not of 4 to 12 digits, or all its digits are the same.
pub fn hash_pin(pin: &str, salt: &[u8; 16]) -> Result<String, Failure> {
    let digits = pin.bytes().all(|byte| byte.is_ascii_digit()) && PIN_DIGITS.contains(&pin.len());
    let same = pin.bytes().all(|byte| Some(byte) == pin.bytes().next());
    if !digits || same {
        let reason = "a PIN has 4 to 12 digits, and not all the same";
        return Err(Failure::new(Code::InvalidInput, reason));
    }
    let hash = argon2()?
        .hash_password_with_salt(pin.as_bytes(), salt)
        .map_err(|error| Failure::new(Code::Internal, format!("hash PIN: {error}")))?;
    Ok(hash.to_string())
}

/// Whether this is the password, or PIN, of a hash. No hash, or an empty one, costs as much as a wrong password.
///
/// # Errors
/// When too many are checked at once.
pub async fn check(password: String, hash: Option<String>) -> Result<bool, Failure> {
    let busy = || {
        Failure::new(
            Code::ResourceExhausted,
            "too many people sign in at once, try again in a moment",
        )
    };
    let _admitted = ADMITTED.try_acquire().map_err(|_| busy())?;
    let _running = RUNNING.acquire().await.map_err(|_| busy())?;
    let hash = hash.filter(|hash| !hash.is_empty());
    tokio::task::spawn_blocking(move || {
        let fits = password.len() <= PASSWORD_BYTES_MAX;
        let password = if fits { password.as_bytes() } else { b"" };
        let known = hash.is_some();
        let good = argon2()?
            .verify_password(password, hash.as_deref().unwrap_or(NOBODY))
            .is_ok();
        Ok(good && known && fits)
    })
    .await
    .map_err(|error| Failure::new(Code::Internal, format!("check password: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_recognised_and_nothing_else_is() {
        let hash = hash_password("correct horse battery", &[7; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(
            check("correct horse battery".to_owned(), Some(hash.clone())).await,
            Ok(true)
        );
        assert_eq!(check("wrong horse battery".to_owned(), Some(hash)).await, Ok(false));
        assert_eq!(check(String::new(), None).await, Ok(false));
        assert_eq!(check(String::new(), Some(String::new())).await, Ok(false));
    }

    #[test]
    fn the_stand_in_costs_what_a_real_hash_costs() {
        let stand_in = argon2::PasswordHash::new(NOBODY).unwrap();
        let (stand_in_cost, cost) = (Params::try_from(&stand_in).unwrap(), argon2().unwrap());
        let figures = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        assert_eq!(figures(&stand_in_cost), figures(cost.params()));
        assert_eq!(stand_in.hash.unwrap().as_bytes().len(), 32);
    }

    #[tokio::test]
    async fn a_pin_is_a_few_digits() {
        for wrong in ["123", "12a4", "1111", "1234567890123", ""] {
            assert!(hash_pin(wrong, &[7; 16]).is_err(), "{wrong}");
        }
        let hash = hash_pin("2580", &[7; 16]).unwrap();
        assert_eq!(check("2580".to_owned(), Some(hash.clone())).await, Ok(true));
        assert_eq!(check("2581".to_owned(), Some(hash)).await, Ok(false));
    }

    #[test]
    fn a_short_password_is_refused_with_the_limit() {
        assert!(hash_password("short", &[7; 16]).unwrap_err().reason.contains("10"));
    }
}

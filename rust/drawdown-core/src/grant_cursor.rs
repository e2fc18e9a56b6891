//! Where a page of a list of grants ended. It says a place in the order, not a grant: whatever leaves memory
//! meanwhile, what stands behind that place comes on the next page.

use std::str::FromStr;

/// What a pool's grants are sorted by, `Grant::burn_key`.
pub type BurnKey = (u8, i64, bool, u32, i64, u32);

/// Callers send it back as they got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantCursor {
    /// Behind this place among the grants in memory.
    Present { credit_type: u16, key: BurnKey },
    /// Behind this one of those that have left memory, by seq and number.
    Left { seq: u64, number: u32 },
}

impl std::fmt::Display for GrantCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Present { credit_type, key: (priority, expires_at, is_paid, width, effective_at, number) } => {
                let is_paid = u8::from(*is_paid);
                write!(f, "present.{credit_type}.{priority}.{expires_at}.{is_paid}.{width}.{effective_at}.{number}")
            }
            Self::Left { seq, number } => write!(f, "left.{seq}.{number}"),
        }
    }
}

impl FromStr for GrantCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| "not where a page of grants ended; leave it out to begin anew".into())
    }
}

fn parse(text: &str) -> Option<GrantCursor> {
    let mut parts = text.split('.');
    let cursor = match parts.next()? {
        "present" => GrantCursor::Present {
            credit_type: next(&mut parts)?,
            key: (
                next(&mut parts)?,
                next(&mut parts)?,
                next::<u8>(&mut parts)? != 0,
                next(&mut parts)?,
                next(&mut parts)?,
                next(&mut parts)?,
            ),
        },
        "left" => GrantCursor::Left { seq: next(&mut parts)?, number: next(&mut parts)? },
        _ => return None,
    };
    parts.next().is_none().then_some(cursor)
}

fn next<T: FromStr>(parts: &mut std::str::Split<'_, char>) -> Option<T> {
    parts.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let key = (255, i64::MAX, true, u32::MAX, i64::MIN, 7);
        for cursor in [GrantCursor::Present { credit_type: 3, key }, GrantCursor::Left { seq: u64::MAX, number: 9 }] {
            assert_eq!(Ok(cursor), cursor.to_string().parse());
            assert!(format!("{cursor}.1").parse::<GrantCursor>().is_err());
        }
        for other in ["", "present", "left.1", "left.1.-1", "grant-7", "present.1.1.1.1.1.1.x"] {
            assert!(other.parse::<GrantCursor>().is_err(), "{other}");
        }
    }
}

//! What a setting should be.

/// What a setting should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// This number.
    Is(u64),
    /// This number, if it is that one now.
    Unless {
        /// What it should not be.
        is: u64,
        /// What it should be instead.
        then: u64,
    },
    /// This number or a larger one.
    AtLeast(u64),
    /// This number or a smaller one; 0 and less mean something else and stay.
    AtMost(u64),
    /// The third of three numbers is this or larger (`tcp_rmem`, tcp(7): least, default, limit).
    Third(u64),
    /// Two numbers: from this or a smaller one to that or a larger one.
    Range(u64, u64),
}

impl Want {
    /// What to write in place of this value; nothing if it is as wanted, or is no such value.
    pub fn change(self, value: &str) -> Option<String> {
        let numbers: Option<Vec<u64>> =
            value.split_whitespace().map(|it| it.parse().ok()).collect();
        match (self, &*numbers?) {
            (Self::Is(to), [now]) if *now != to => Some(to.to_string()),
            (Self::Unless { is, then }, [now]) if *now == is => Some(then.to_string()),
            (Self::AtLeast(least), [now]) if *now < least => Some(least.to_string()),
            (Self::AtMost(most), [now]) if *now > most => Some(most.to_string()),
            (Self::Third(least), [one, two, now]) if *now < least => {
                Some(format!("{one} {two} {least}"))
            }
            (Self::Range(low, high), [from, to]) if *from > low || *to < high => {
                Some(format!("{} {}", low.min(*from), high.max(*to)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let check = |want: Want, value: &str, to: Option<&str>| {
            let got = want.change(value);
            assert_eq!(got.as_deref(), to, "{want:?} of {value}");
            if let Some(got) = got {
                assert_eq!(want.change(&got), None, "{want:?} is content with {got}");
            }
        };
        check(Want::Is(1), "0", Some("1"));
        check(Want::Is(1), "1", None);
        check(Want::Unless { is: 0, then: 1 }, "0", Some("1"));
        check(Want::Unless { is: 0, then: 1 }, "2", None);
        check(Want::AtLeast(4096), "4095", Some("4096"));
        check(Want::AtLeast(4096), "4096", None);
        check(Want::AtMost(600), "601", Some("600"));
        check(Want::AtMost(600), "600", None);
        check(Want::Third(9), "1 2 8", Some("1 2 9"));
        check(Want::Third(9), "1 2 9", None);
        check(Want::Range(10, 20), "11 20", Some("10 20"));
        check(Want::Range(10, 20), "9 19", Some("9 20"));
        check(Want::Range(10, 20), "10 20", None);
        for odd in ["", "cubic", "-1", "1 2", "1 2 3 4"] {
            check(Want::Is(1), odd, None);
        }
        check(Want::Third(9), "8", None);
    }
}

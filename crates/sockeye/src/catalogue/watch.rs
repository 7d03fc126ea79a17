//! What `watch` says.

use super::texts;

texts! {
    PROGRAM_ENDED: "{program}: {how}", "{program}：{how}";
}

//! What is open at a place of a script, and what was read last.

/// More open brackets and literals than this, and the machine gives up.
const DEPTH_MAX: usize = 64;

/// The state: what is open, and what the characters read last mean for the next.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::template::place) struct PowerShell {
    pub(super) open: Vec<Open>,
    pub(super) last: Last,
    pub(super) word: Word,
    /// A value is due, as after `=`: a bare word here would be run as a command.
    pub(super) value_due: bool,
    /// A carriage return was read: it is half a line end, or nobody knows what.
    pub(super) half_line: bool,
    pub(super) lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Open {
    Parenthesis,
    Brace,
    /// `@{`, where each `=` assigns.
    Hashtable,
    Single,
    Double,
    HereSingle,
    HereDouble,
    LineComment,
    BlockComment,
    /// `${`, up to the closing brace.
    BracedVariable,
}

impl Open {
    pub(super) fn is_code(self) -> bool {
        matches!(self, Self::Parenthesis | Self::Brace | Self::Hashtable)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Last {
    /// White space or punctuation: a word or a comment may begin.
    Break,
    /// Any other character.
    Other,
    Dollar,
    /// Part of the name of a variable.
    Variable,
    /// `@` at the start of a word.
    At,
    /// `@` inside a word.
    AtInWord,
    Backtick,
    /// `<` in code.
    Less,
    /// `#` in a block comment.
    Number,
    /// A quotation mark that closes its literal, unless another follows. The literal is still open.
    MaybeEnd,
    /// The end of a literal or a bracket.
    Closed,
    /// The end of a single-quoted literal.
    ClosedSingle,
    /// `@'` or `@"`, which must end their line.
    HereHead {
        single: bool,
    },
    /// The start of a line in a here-string.
    LineStart,
    /// A quotation mark at the start of a line in a here-string.
    HereEnd,
    /// That many dashes at the start of a word.
    Dashes(u8),
    /// A value as it is.
    Plain,
    /// A value in quotes.
    Quoted,
}

/// What the word being read began with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Word {
    None,
    /// A variable or the end of a bracket: `=` after it assigns.
    Assignable,
    /// Only operator characters so far.
    Operator,
    Other,
}
impl PowerShell {
    pub(super) fn top(&self) -> Option<Open> {
        self.open.last().copied()
    }

    pub(super) fn in_code(&self) -> bool {
        self.top().is_none_or(Open::is_code)
    }

    /// What is open once a literal that is at its end counts as closed.
    pub(super) fn settled(&self) -> &[Open] {
        match (self.last, self.open.as_slice()) {
            (Last::MaybeEnd, [rest @ .., _]) => rest,
            (_, open) => open,
        }
    }

    pub(super) fn push(&mut self, open: Open, last: Last) {
        if self.open.len() == DEPTH_MAX {
            self.lost = true;
        } else {
            self.open.push(open);
        }
        self.last = last;
    }

    pub(super) fn close(&mut self, last: Last) {
        self.open.pop();
        self.last = last;
        self.word = Word::Assignable;
        self.value_due = false;
    }

    pub(super) fn close_bracket(&mut self, parenthesis: bool) {
        match self.top() {
            Some(Open::Parenthesis) if parenthesis => self.close(Last::Closed),
            Some(Open::Brace | Open::Hashtable) if !parenthesis => self.close(Last::Closed),
            // A bracket that nothing opened: the script does not parse, or is read otherwise than here.
            _ => self.lost = true,
        }
    }
    pub(super) fn open_literal(&mut self, literal: Open) {
        self.start_word(Word::Other);
        self.value_due = false;
        self.push(literal, Last::Other);
    }

    pub(super) fn start_word(&mut self, word: Word) {
        if self.word == Word::None {
            self.word = word;
        }
    }
}

//! Every bound of this crate, in one place.
//!
//! A bundle is written by the operator and text by anybody, so the first may
//! be refused with a reason, and the second must never cost more than this.

/// All files of a bundle together, in bytes.
pub(crate) const BUNDLE_BYTES: usize = 32 << 20;
/// A file's name or an id, in bytes.
pub(crate) const NAME_BYTES: usize = 128;
/// Detectors of a bundle.
pub(crate) const DETECTORS: usize = 4096;
/// Patterns of a bundle.
pub(crate) const PATTERNS: usize = 8192;
/// Policies of a bundle.
pub(crate) const POLICIES: usize = 4096;
/// How deep the brackets of a policy nest, and operators before one operand.
pub(crate) const POLICY_NEST: usize = 64;
/// Words, brackets and operators of one policy.
pub(crate) const POLICY_WORDS: usize = 1024;
/// The stack on which policies are parsed and validated. A policy of the most
/// links takes a fifth of it where nothing is optimised, and takes down a thread
/// with the usual 2 MiB.
pub(crate) const POLICY_STACK_BYTES: usize = 128 << 20;
/// Terms of a lexicon, and of all that see one surface.
pub(crate) const LEXICON_TERMS: usize = 250_000;
/// Nodes of the tree of all terms that see one surface: one for each letter
/// that no other term shares, and sixteen bytes each.
pub(crate) const LEXICON_NODES: usize = 4 << 20;
/// One term of a lexicon, in bytes.
pub(crate) const TERM_BYTES: usize = 256;
/// The longest match of a pattern where the bundle sets no other, in bytes.
/// The hold-back keeps at most so much of a view.
pub(crate) const MATCH_BYTES: usize = 2048;
/// What a bundle may set at most.
pub(crate) const MATCH_BYTES_MAX: usize = 16 << 10;
/// The compiled form of one pattern, in bytes. A pattern such as
/// `(?:\w{1,200} ){1,40}` is refused here, before it costs anybody anything.
pub(crate) const PATTERN_NFA_BYTES: usize = 4 << 20;
/// The compiled form of all patterns that see one surface, in bytes.
pub(crate) const ENGINE_NFA_BYTES: usize = 256 << 20;
/// States that one thread's lazy automaton keeps before it starts afresh, in
/// bytes; for one surface and one view.
pub(crate) const CACHE_BYTES: usize = 16 << 20;
/// Pairs of bytes of which is remembered what matches begin with them.
pub(crate) const BEGUN: usize = 4096;
/// Nesting of groups in a pattern.
pub(crate) const PATTERN_NEST: u32 = 64;
/// Characters that folding removes in a row before it puts a space: without
/// it, one letter and a megabyte of zero-width spaces would be held for ever.
pub(crate) const REMOVED_RUN: u32 = 64;
/// How many decodings deep text is looked into (base64 in percent is two).
pub(crate) const DECODE_DEPTH: u8 = 2;
/// A pattern that can match fewer bytes than this does not look into decoded
/// text unless it says so: in random bytes it would find itself by chance.
pub(crate) const DECODE_MIN_BYTES: usize = 8;
/// The bytes of an encoded run that are decoded where the bundle sets no other.
pub(crate) const ENCODED_RUN_BYTES: usize = 1 << 20;
/// What a bundle may set at most.
pub(crate) const ENCODED_RUN_BYTES_MAX: usize = 64 << 20;
/// The longest escape sequence, in characters: four percent triplets.
pub(crate) const ESCAPE_CHARS: usize = 12;
/// What a shell reading waits for at most, in characters: `${name:-value}`.
pub(crate) const SHELL_CHARS: usize = 64;
/// The longest authority of a URL that is understood, in characters.
pub(crate) const AUTHORITY_CHARS: usize = 256;
/// Characters that a deletion can still reach.
pub(crate) const DELETED_CHARS: usize = 16;
/// How far before the first deletion a match that it completes may begin, in
/// bytes of the view.
pub(crate) const DELETED_BYTES: usize = 256;
/// How far before a match its context words may stand, in bytes of the view.
pub(crate) const CONTEXT_BYTES: usize = 256;
/// Lists of context words of one detector.
pub(crate) const CONTEXTS: usize = 16;
/// Context words of one list.
pub(crate) const CONTEXT_WORDS: usize = 256;
/// Argument paths of one call that policies can see. A call with more is
/// blocked: a policy that looks at a path must not be blind to it.
pub(crate) const CALL_TAGS: usize = 1024;
/// Values of one call that policies can see.
pub(crate) const CALL_VALUES: usize = 8192;
/// Nesting of a call's arguments.
pub(crate) const CALL_DEPTH: usize = 64;
/// Text of one call that policies can see, in bytes, counted at each path that
/// it is beneath.
pub(crate) const CALL_BYTES: usize = 4 << 20;
/// Labels of a bundle, and so of a trace.
pub(crate) const LABELS: usize = 64;
/// Faults that one compilation lists.
pub(crate) const FAULTS: usize = 200;
/// Changes that one explanation lists.
pub(crate) const CHANGES: usize = 64;
/// Parts of an event that an explanation takes away.
pub(crate) const PARTS: usize = 128;
/// Parts of which an explanation tries every two.
pub(crate) const PAIRED: usize = 64;
/// Texts that a trace remembers one by one; what comes after shares the last.
pub(crate) const FLOW_TEXTS: usize = 4096;
/// Bytes of one text that a trace looks into for what may come back.
pub(crate) const FLOW_TEXT_BYTES: usize = 1 << 20;
/// Fingerprints of one text, about one for five letters.
pub(crate) const FLOW_TEXT_MARKS: usize = 1 << 15;
/// Fingerprints of all texts of a trace.
pub(crate) const FLOW_MARKS: usize = 1 << 16;
/// Distinctive words (addresses, links, numbers) of one text.
pub(crate) const FLOW_TEXT_TOKENS: usize = 1 << 12;
/// Distinctive words of all texts of a trace.
pub(crate) const FLOW_TOKENS: usize = 1 << 15;
/// Bytes of one text in which user, operator or house name things; what stands
/// after them is not named, which refuses.
pub(crate) const FLOW_NAMING_BYTES: usize = 1 << 18;
/// Words and phrases by which a trace knows what user and operator named.
pub(crate) const FLOW_NAMES: usize = 1 << 16;
/// Which value of a record goes by which of its names.
pub(crate) const FLOW_ALIASES: usize = 1 << 14;
/// Values that records list.
pub(crate) const FLOW_LISTED: usize = 1 << 14;
/// Tools that a trace knows by their definitions.
pub(crate) const FLOW_TOOLS: usize = 512;
/// A trace in bytes.
pub(crate) const TRACE_BYTES: usize = 4 << 20;
/// How many wrappings of JSON text in JSON text are undone in arguments.
pub(crate) const NESTED_JSON: usize = 2;

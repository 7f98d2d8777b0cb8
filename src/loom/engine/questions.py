"""The request for a chunk: which prompt, which instructions, and how much of the author's text a pipeline sees. Every
text in it, the team's own too, is masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loom.config.schema import Config, Pipeline
from loom.core.change import ChangeSet
from loom.engine import prompts
from loom.engine.masking import mask_all, remembering
from loom.engine.view import FileView
from loom.infra.globs import Globs
from loom.llm.base import Request


class Questions:
    """Builds requests; what does not depend on the chunk is taken once. `mask`: what models may not see goes; the
    files are masked already."""

    def __init__(
        self,
        config: Config,
        change: ChangeSet,
        prompt: Callable[[Pipeline], str | None],
        mask: Callable[[str], str],
    ) -> None:
        self._config = config
        self._prompt = prompt
        self._ref = change.ref
        self._mask = remembering(mask)

    def request(self, pipeline: Pipeline, files: Sequence[FileView]) -> Request:
        """The request, FENCE still in it. Raises ConfigError for a prompt that names what does not exist."""
        config, ref = self._config, self._ref
        model = config.models.get(pipeline.model)
        persona = config.persona(pipeline.persona)
        told = ref if config.privacy.send_description else None
        ask = mask_all(
            prompts.Ask(
                pipeline=pipeline.name,
                files=(),
                prompt=self._prompt(pipeline),
                persona=prompts.Persona(tone=persona.tone, focus=persona.focus, instructions=persona.instructions),
                instructions=tuple(
                    prompts.Instruction(text=i.text, paths=i.paths)
                    for i in pipeline.instructions
                    if not i.paths or any(Globs(i.paths).match(f.path) for f in files)
                ),
                do_not_flag=pipeline.do_not_flag,
                suggestions=pipeline.suggestions,
                language=config.output.language,
                title=told.title if told else None,
                description=told.description if told else None,
                author=told.author if told else None,
                target_branch=ref.target_branch,
                max_tokens=model.max_tokens if model else 8_000,
                temperature=model.temperature if model else None,
                reasoning_effort=model.reasoning_effort if model else None,
            ),
            self._mask,
        )
        return prompts.build(replace(ask, files=tuple(files)))

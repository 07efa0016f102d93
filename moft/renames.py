"""The table of public names that changed, and the sentences that refuse an old one with the new one."""

from __future__ import annotations

import opcode
import re
import sys
from dataclasses import dataclass
from typing import Literal

Kind = Literal["setting", "option", "prompt key", "plugin", "name", "attribute", "argument"]


@dataclass(frozen=True)
class Rename:
    """One public name that changed.

    Args:
        kind: what it names. `setting`: a path in a config file, where `*` is any one name. `option`: of a command. `prompt key`:
            in a JSON line of prompts. `plugin`: of the shipped ones. `name`: what can be imported. `attribute` and `argument`: of
            a class or a method.
        old: in full, as users type it: with the path, the command, the module or the class.
        new: likewise.
    """

    kind: Kind
    old: str
    new: str

    @property
    def pattern(self) -> str:
        """A regular expression for `old`; the `*` of a setting also stands for names with dots in them."""
        return re.escape(self.old).replace(r"\*", ".+")

    @property
    def short(self) -> str:
        """The last part of the new name, such as `beta` of `task.objectives.*.beta`."""
        return re.split(r"[. (]", self.new.removesuffix("=)"))[-1]


RENAMES = (
    Rename("setting", "task.objectives.*.temperature", "task.objectives.*.beta"),
    Rename("setting", "method.temperatures", "method.betas"),
    Rename("setting", "profile.samples", "profile.bootstrap_samples"),
    Rename("setting", "trainer.clip", "trainer.max_grad_norm"),
    Rename("setting", "trainer.accumulation", "trainer.gradient_accumulation_steps"),
    Rename("setting", "trainer.together", "trainer.models_at_once"),
    Rename("option", "moft score --temperature", "moft score --dial"),
    Rename("option", "moft profile --temperature", "moft profile --dial"),
    Rename("option", "moft generate --temperature", "moft generate --dial"),
    Rename("option", "moft generate --temperature", "moft generate --sampling-temperature"),
    Rename("option", "moft export --temperature", "moft export --dial"),
    Rename("option", "moft compare --samples", "moft compare --bootstrap-samples"),
    Rename("prompt key", "temperature", "dial"),
    Rename("plugin", "conditioning", "conditioners"),
    Rename("plugin", "fronts", "indicators"),
    Rename("name", "moft.api.Account", "moft.api.TrainingCost"),
    Rename("name", "moft.api.Answer", "moft.api.Assignment"),
    Rename("name", "moft.api.Attentive", "moft.api.UsesAdaptiveSampler"),
    Rename("name", "moft.api.Lengthy", "moft.api.LongEvaluator"),
    Rename("name", "moft.api.Place", "moft.api.PathOrName"),
    Rename("name", "moft.api.PlainModels", "moft.api.DedicatedModels"),
    Rename("name", "moft.api.Several", "moft.api.FromList"),
    Rename("name", "moft.api.Team", "moft.api.ProcessGroup"),
    Rename("name", "moft.api.Telling", "moft.api.ReportsFindings"),
    Rename("name", "moft.api.draws_of", "moft.api.checked_draws"),
    Rename("name", "moft.api.grid_of", "moft.api.checked_grid"),
    Rename("name", "moft.api.injection_of", "moft.api.checked_injection"),
    Rename("name", "moft.api.profiled", "moft.api.measure_front"),
    Rename("name", "moft.api.temperatures_of", "moft.api.betas_of"),
    Rename("name", "moft.api.unmeasured", "moft.api.problem_without_validation"),
    Rename("name", "moft.api.whole_folder", "moft.api.atomic_folder"),
    Rename("name", "moft.api.write_bytes", "moft.api.atomic_write"),
    Rename("attribute", "AdaptiveSampler.watched", "AdaptiveSampler.watched_weights"),
    Rename("attribute", "ConditionedPolicy.temperatures", "ConditionedPolicy.betas"),
    Rename("attribute", "Context.team", "Context.process_group"),
    Rename("attribute", "Front.answered", "Front.served"),
    Rename("attribute", "ModelSpec.room", "ModelSpec.max_prefix"),
    Rename("attribute", "ModelSpec.starts", "ModelSpec.prefix_starts"),
    Rename("attribute", "Objective.temperature", "Objective.beta"),
    Rename("attribute", "OpenedRun.temperatures_at", "OpenedRun.betas_at"),
    Rename("attribute", "OpenedRun.trained_at", "OpenedRun.trained_betas"),
    Rename("attribute", "Policy.answered", "Policy.served"),
    Rename("attribute", "Policy.answers", "Policy.assignments"),
    Rename("attribute", "Problem.temperatures", "Problem.betas"),
    Rename("attribute", "Tradeoff.temperatures", "Tradeoff.betas"),
    Rename("argument", "Objective(temperature=)", "Objective(beta=)"),
    Rename("argument", "OpenedRun.scores(temperature=)", "OpenedRun.scores(dial=)"),
    Rename("argument", "Tradeoff(temperatures=)", "Tradeoff(betas=)"),
)
"""Every rename, by kind."""

_UNEXPECTED = re.compile(r"^([\w.]+)\(\) got an unexpected keyword argument '(\w+)'")


def new_name(kind: Kind, old: str) -> str:
    """The new name of something in its short form, such as `dial` or `--dial`; empty where it was not renamed.

    Where there are several, they are joined by `or`.

    Args:
        kind: as in the table, such as `prompt key`.
        old: in full, as in the table; a setting may have any names in place of `*`.
    """
    return " or ".join(rename.short for rename in RENAMES if rename.kind == kind and re.fullmatch(rename.pattern, old))


def missing_name(module: str, name: str) -> ImportError | AttributeError:
    """What the `__getattr__` of a module raises for a name that it does not have; called by that function itself.

    An AttributeError, as `hasattr` needs it. But `from module import name` would not pass on its text, so there a renamed one
    gives an ImportError.
    """
    new = new_name("name", f"{module}.{name}")
    text = f"{module}.{name} is now {new}" if new else f"module {module!r} has no attribute {name!r}"
    asking = sys._getframe(2)  # of who asked the module
    is_import = asking.f_code.co_code[asking.f_lasti] == opcode.opmap["IMPORT_FROM"]
    return ImportError(text, name=name) if new and is_import else AttributeError(text, name=name)


def missing_attribute(owner: object, name: str) -> AttributeError:
    """What the `__getattr__` of a class raises for an attribute that it does not have, with the new name of a renamed one."""
    try:
        object.__getattribute__(owner, name)  # again, since a property may have raised the error
    except AttributeError as error:
        error.args = (f"{error}{rename_hint(error)}",)
        return error
    return AttributeError(name)


def rename_hint(error: BaseException) -> str:
    """`; Tradeoff.temperatures is now betas` for an error about an old attribute or argument; empty for others."""
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        for owner in type(error.obj).__mro__:
            if new := new_name("attribute", f"{owner.__name__}.{error.name}"):
                hint = f"; {owner.__name__}.{error.name} is now {new}"
                return "" if hint in str(error) else hint
    if isinstance(error, TypeError) and (found := _UNEXPECTED.match(str(error))):
        owner_name = found[1].removesuffix(".__init__")
        if new := new_name("argument", f"{owner_name}({found[2]}=)"):
            return f"; the argument {found[2]!r} is now {new!r}"
    return ""

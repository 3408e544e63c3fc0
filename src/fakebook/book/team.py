"""``poster/team.yaml``: the one file in which a team puts its names and its logo on the poster."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fakebook.errors import UserError

LOGOS = (".svg", ".pdf", ".png", ".jpg", ".jpeg")


class Team(BaseModel):
    """Who hangs the poster up. ``title``: in place of the one that counts what is shown. ``logo``: a file's path."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = None
    names: list[str] = Field(min_length=1)
    affiliation: str | None = None
    contact: str | None = None
    logo: Path | None = None


def load(path: Path) -> Team:
    """Read and check the file; the logo is looked for from its folder.

    Raises:
        UserError: it is no YAML, a field is wrong, or the logo is no picture that is there.
    """
    try:
        team = Team.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}): mend it") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the whole of it"
        raise UserError(f"{path}, {where}: {problem['msg']}; fields are {', '.join(Team.model_fields)}") from error
    if team.logo is None:
        return team
    logo = path.parent / team.logo
    if not logo.is_file() or logo.suffix.lower() not in LOGOS:
        raise UserError(
            f"{path}, logo: {logo} is no file of kind {', '.join(LOGOS)}; correct the path, or leave it out"
        )
    return team.model_copy(update={"logo": logo})

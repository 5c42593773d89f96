"""Where Hydra finds the files of conf: each is read within bounds and checked before anything is composed of it.

Loaded with Hydra alone. What Hydra offers as its own sources of files and packages is replaced by these.
"""

import io
from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from accel_model.formats.yaml_file import read_yaml
from harness.settings import CONF
from harness.settings.errors import ConfigError
from harness.settings.groups import TRUST, check_file
from harness.text.shown import shown

HEAD = 512  # characters in which Hydra looks for `# @package`
OWN = ("hydra", "hydra_plugins")  # packages whose settings are Hydra's


def install(trusted: bool) -> None:
    """Let Hydra read conf through this file. trusted: files may name code and places."""
    Plugins.instance()  # registers Hydra's own, which are replaced
    SourcesRegistry.instance().types.update(
        file=TrustedFiles if trusted else CheckedFiles, pkg=TrustedPackages if trusted else CheckedPackages
    )


class CheckedFiles(FileConfigSource):
    """Files of a folder, read as what somebody else may have written."""

    trusted = False

    def load_config(self, config_path: str) -> ConfigResult:
        if ".." in Path(config_path).parts:
            raise ConfigError(f"{shown(config_path)} leads out of its group: choose a file by its name")
        folder = Path(self.path).resolve()
        path = (folder / self._normalize_file_name(config_path)).resolve()
        if not path.is_file():
            return super().load_config(config_path)  # says that it is missing
        if not path.is_relative_to(folder):
            raise ConfigError(f"{shown(config_path)} lies outside of {folder}: choose a file of a configuration folder")
        text, values = read_yaml(path, ConfigError)
        try:
            head = ConfigSource._get_header_dict(text[:HEAD])
        except ValueError:
            raise ConfigError(f"{path}: its head line `# @` is none: write `# @package NAME`, or none") from None
        group = config_path.rpartition("/")[0].strip("/")
        if self._is_part_of_program(path, group):
            check_file(str(path), group, None, values, trusted=True)
        else:
            check_file(str(path), group, head["package"], values, self.trusted)
        try:
            config = OmegaConf.load(io.StringIO(text))
        except OmegaConfBaseException as error:
            raise ConfigError(f"{path}: {shown(str(error).splitlines()[0])}") from None
        return ConfigResult(provider=self.provider, path=f"{self.scheme()}://{self.path}", config=config, header=head)

    def _is_part_of_program(self, path, group):
        """Whether a file is conf/config.yaml or of conf/hydra; raises ConfigError for another that is of no group."""
        if group and group.partition("/")[0] != "hydra":
            return False
        is_shipped = path.is_relative_to(CONF.resolve() / "hydra") if group else path == CONF.resolve() / "config.yaml"
        if not is_shipped and not self.trusted:
            what = "sets what is Hydra's" if group else "is of no group"
            raise ConfigError(
                f"{path} {what}: files of conf are of a group, such as accelerator/NAME.yaml; for another main file or "
                f"other settings of Hydra's give {TRUST} on the command line if you know what they hold"
            )
        return True


class TrustedFiles(CheckedFiles):
    """Files of a folder that may name code and places."""

    trusted = True


class CheckedPackages(ImportlibResourcesConfigSource):
    """Settings that come with a Python package: Hydra's and its plug-ins' alone."""

    def load_config(self, config_path: str) -> ConfigResult:
        if self.path.partition(".")[0] not in OWN:
            raise ConfigError(f"pkg://{shown(self.path)} holds settings in a package: give {TRUST} if you know them")
        return super().load_config(config_path)


class TrustedPackages(ImportlibResourcesConfigSource):
    """Settings that come with a Python package."""


for _ours in (CheckedFiles, TrustedFiles):  # the registry, in a launcher's processes too, tells sources by this name
    _ours.__name__ = FileConfigSource.__name__
for _ours in (CheckedPackages, TrustedPackages):
    _ours.__name__ = ImportlibResourcesConfigSource.__name__

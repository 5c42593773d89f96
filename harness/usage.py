"""The text of `halfstep --help`, from conf/ alone: Hydra's own takes more than a second to list the groups."""


def usage(conf):
    """Header, groups with their files, and examples, as text; conf: the configuration folder."""
    from omegaconf import OmegaConf

    texts = OmegaConf.load(conf / "hydra" / "help" / "halfstep.yaml")
    groups = [folder for folder in sorted(conf.iterdir()) if folder.is_dir() and folder.name != "hydra"]
    lines = [f"{group.name}: {', '.join(sorted(file.stem for file in group.glob('*.yaml')))}" for group in groups]
    return "\n".join([texts.header, "Groups (GROUP=NAME chooses one)", *lines, "", texts.footer])

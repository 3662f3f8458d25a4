"""`tidegate schema`: what editors need to complete and check a configuration."""

import json

from tidegate.cli.exits import DONE


def schema() -> int:
    """Print the JSON Schema of the configuration.

    Example: tidegate schema > tidegate.schema.json
    """
    from tidegate.config.schema import schema as make_schema

    print(json.dumps(make_schema(), indent=2, ensure_ascii=False))
    return DONE

"""What a team writes: config.toml and rules/*.toml, read into values, every mistake with file and line."""

"""The command `baton`: one file per command; what is heavy is imported inside the commands, so that help is instant."""

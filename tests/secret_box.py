"""The secret box of most tests. One for all of them: deriving a key is slow on purpose."""

from outdial.workspaces.secrets import SecretBox

BOX = SecretBox("a key for tests")

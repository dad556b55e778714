"""What the outside tests share: the stack, the process under test, the answering side, clients, witnesses."""

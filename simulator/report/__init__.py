"""What a person looks at: text for a terminal, figures."""

"""The toolset: what a chatbot of any vendor may call in a session, and how it is answered."""

//! The `OpenAI` Responses protocol over the scriptable server: enough of it for a real client.

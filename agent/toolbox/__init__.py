"""What Fovea offers to other agents: three tools, served over the Model Context Protocol and as LangChain tools."""

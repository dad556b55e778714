"""Drives the chat page in a real Chromium the way a person does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By

from harness.polling import eventually

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server")


class ChatPage:
    """The chat page, open and connected."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self._browser = browser
        browser.get(url)
        eventually(lambda: self.status() == "Connected", "the page is connected")

    def status(self) -> str:
        """Returns the connection status that the page shows."""
        return self._browser.find_element(By.ID, "status-text").text

    def ask(self, question: str) -> None:
        """Types a question and presses Enter."""
        self._browser.find_element(By.ID, "question").send_keys(question, Keys.ENTER)

    def ask_without_waiting(self, *questions: str) -> list[str]:
        """Sends several questions faster than a person can type, and returns the kinds of messages then shown."""
        script = """
            const [field, form] = [document.getElementById("question"), document.getElementById("form")];
            for (const text of arguments[0]) { field.value = text; form.requestSubmit(); }
            return [...document.querySelectorAll("#log .msg")].map((message) => message.dataset.kind);
        """
        return self._browser.execute_script(script, list(questions))

    def messages(self, kind: str) -> list[str]:
        """Returns the texts of the messages of one kind: question, waiting, answer or error."""
        found = self._browser.find_elements(By.CSS_SELECTOR, f'#log .msg[data-kind="{kind}"]')
        return [message.text for message in found]

    def wait_message(self, kind: str) -> str:
        """Waits for a message of that kind and returns the first one."""
        return eventually(lambda: self.messages(kind), f"the page shows a message of kind {kind}")[0]

    def console_errors(self) -> list[str]:
        """Returns the errors in the browser's console."""
        return [entry["message"] for entry in self._browser.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def open_chat_page(url: str) -> Iterator[ChatPage]:
    """Opens the page in a new browser, which is closed with the block."""
    options = ChromeOptions()
    options.binary_location = _program("chromium")
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, ChromeService(_program("chromedriver")))
    try:
        yield ChatPage(browser, url)
    finally:
        browser.quit()


def _program(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is not installed; scripts/setup --for test installs it"
    return path

// Puts a part that came later into its place.
function fill(id) {
  const place = document.getElementById(id);
  const template = document.querySelector(`template[data-for="${id}"]`);

  place.replaceWith(template.content);
  template.remove();
}
